"""Files come from the cache, a mirror, the network or wheels, and an incomplete or different file is never accepted."""

import functools
import hashlib
import http.server
import os
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import pytest

from llmlib.files import downloads
from llmlib.files.atomic import atomic_write
from llmlib.files.downloads import DownloadError, fetch, fetch_from_wheel

CONTENT = b"The quick brown fox.\n" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    """Run a web server on this machine; `server.hits` lists the paths of all requests."""
    folder = tmp_path / "served"
    folder.mkdir()
    hits = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            if self.path == "/cut.txt":  # the header promises more than is sent
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT[:500])
            elif self.path == "/abc.txt":
                self.send_response(200)
                self.send_header("Content-Length", "abc")
                self.end_headers()
                self.wfile.write(CONTENT)
            else:
                super().do_GET()

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=running.serve_forever, daemon=True).start()
    running.folder, running.hits, running.url = folder, hits, f"http://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()


def files_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_is_fetched_once_and_then_cached(server, private_cache):
    (server.folder / "fox.txt").write_bytes(CONTENT)
    for _ in range(2):
        assert fetch(server.url + "/fox.txt", sha256=DIGEST).read_bytes() == CONTENT
    assert server.hits == ["/fox.txt"]
    assert files_in(private_cache) == ["fox.txt"]


def test_the_mirror_is_used_before_the_network(server, private_cache, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "fox.txt").write_bytes(CONTENT)
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path / "mirror"))
    path = fetch(server.url + "/fox.txt", sha256=DIGEST, filename="renamed.txt")
    assert path == private_cache / "renamed.txt"
    assert path.read_bytes() == CONTENT
    assert server.hits == []


def test_a_file_that_the_mirror_lacks_comes_from_the_network(server, private_cache, tmp_path, monkeypatch):
    (server.folder / "fox.txt").write_bytes(CONTENT)
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path))
    assert fetch(server.url + "/fox.txt", sha256=DIGEST).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_is_kept(server, private_cache):
    (server.folder / "fox.txt").write_bytes(CONTENT + b"!")
    with pytest.raises(DownloadError, match=rf"has SHA-256 \w+, expected {DIGEST}.*LLMLIB_MIRROR"):
        fetch(server.url + "/fox.txt", sha256=DIGEST)
    assert files_in(private_cache) == []


def test_the_error_for_a_wrong_hash_in_the_mirror_names_the_file(private_cache, tmp_path, monkeypatch):
    (tmp_path / "fox.txt").write_bytes(b"another fox")
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path))
    with pytest.raises(DownloadError, match=r"fox\.txt from .*fox\.txt has SHA-256"):
        fetch("http://127.0.0.1:9/fox.txt", sha256=DIGEST)


def test_a_damaged_cached_file_is_set_aside_and_fetched_again(server, private_cache, capsys):
    (server.folder / "fox.txt").write_bytes(CONTENT)
    private_cache.mkdir()
    (private_cache / "fox.txt").write_bytes(CONTENT[:100])
    assert fetch(server.url + "/fox.txt", sha256=DIGEST).read_bytes() == CONTENT
    assert files_in(private_cache) == ["fox.txt", "fox.txt.wrong-hash"]
    assert "renamed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cut.txt", "missing.txt"])
def test_an_interrupted_or_missing_download_leaves_no_file(server, private_cache, name):
    with pytest.raises(DownloadError, match=r"cannot be reached.*by hand"):
        fetch(f"{server.url}/{name}", sha256=DIGEST)
    assert files_in(private_cache) == []


def test_an_invalid_content_length_is_an_error_and_nothing_is_kept(server, private_cache):
    with pytest.raises(DownloadError, match=r"cannot be reached \(the server sent Content-Length: abc, .*by hand"):
        fetch(f"{server.url}/abc.txt", sha256=DIGEST)
    assert files_in(private_cache) == []


def test_fetching_a_file_that_is_not_cached_fails_without_a_network(private_cache):
    with pytest.raises(DownloadError, match=r"is not cached and http://127\.0\.0\.1:9/fox\.txt cannot be reached"):
        fetch("http://127.0.0.1:9/fox.txt", sha256=DIGEST)


def test_a_mirror_that_is_not_a_folder_is_refused(private_cache, monkeypatch):
    monkeypatch.setenv("LLMLIB_MIRROR", "/nowhere/at/all")
    with pytest.raises(DownloadError, match="is not a folder"):
        fetch("http://127.0.0.1:9/fox.txt", sha256=DIGEST)


def test_a_full_disk_is_reported_and_nothing_is_kept(server, private_cache, monkeypatch):
    (server.folder / "fox.txt").write_bytes(CONTENT)

    def no_space(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads.os, "fsync", no_space)
    with pytest.raises(DownloadError, match=r"No space left on device.*Free some disk space"):
        fetch(server.url + "/fox.txt", sha256=DIGEST)
    assert files_in(private_cache) == []


@pytest.mark.parametrize("below", [".", "models"])
def test_a_file_where_the_cache_folder_should_be_is_reported(tmp_path, monkeypatch, below):
    (tmp_path / "f").touch()
    monkeypatch.setenv("LLMLIB_CACHE", str(tmp_path / "f" / below))
    with pytest.raises(
        DownloadError, match=r"There is a file where the cache folder should be.*LLMLIB_CACHE to a folder\.$"
    ):
        fetch("http://127.0.0.1:9/fox.txt", sha256=DIGEST)


def test_a_cache_folder_that_cannot_be_written_to_is_reported(private_cache, monkeypatch):
    private_cache.mkdir()
    (private_cache / "fox.txt").write_bytes(b"another fox")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(downloads.os, "replace", refuse)
    with pytest.raises(
        DownloadError, match=r"Permission denied\)\. Set LLMLIB_CACHE to a folder that you can write to"
    ):
        fetch("http://127.0.0.1:9/fox.txt", sha256=DIGEST)


def test_old_leftovers_of_killed_downloads_are_removed(server, private_cache):
    (server.folder / "fox.txt").write_bytes(CONTENT)
    of_pip = private_cache / ".fox.txt.a.part"
    of_pip.mkdir(parents=True)
    (of_pip / "half.whl").touch()
    for name in (".fox.txt.b.part", ".fox.txt.young.part", ".hen.txt.part", "fox.txt.part"):
        (private_cache / name).touch()
    for path in private_cache.iterdir():
        age = 20 if "young" in path.name else 28  # a recent file may belong to a download in progress
        os.utime(path, (0, time.time() - age * 3600))
    kept = [".fox.txt.young.part", ".hen.txt.part", "fox.txt", "fox.txt.part"]
    fetch(server.url + "/fox.txt", sha256=DIGEST)
    assert files_in(private_cache) == kept
    os.utime(private_cache / ".fox.txt.young.part", (0, time.time() - 28 * 3600))
    fetch(server.url + "/fox.txt", sha256=DIGEST)  # leftovers are removed even if the file is cached
    assert files_in(private_cache) == kept[1:]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, OSError, ValueError])
def test_an_unfinished_write_leaves_the_old_file_unchanged(tmp_path, trouble):
    path = tmp_path / "kept.bin"
    path.write_bytes(b"old")
    with pytest.raises(trouble), atomic_write(path) as file:  # noqa: PT012
        file.write(b"half of the new")
        raise trouble
    assert path.read_bytes() == b"old"
    assert files_in(tmp_path) == ["kept.bin"]


def make_wheel(folder, member="pkg/data.txt"):
    with zipfile.ZipFile(folder / "some_pkg-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(member, CONTENT)


def pip_that(action):
    def run(command, *, env, **_):
        assert command[2:5] == ["pip", "download", "--no-deps"]
        assert env["TMPDIR"] == command[command.index("--dest") + 1]
        assert env["PATH"] == os.environ["PATH"]
        return action(command)

    return run


def test_a_file_from_a_wheel_is_downloaded_with_pip_only_once(private_cache, monkeypatch):
    def bring(command):
        make_wheel(Path(command[command.index("--dest") + 1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(downloads.subprocess, "run", pip_that(bring))
    path = fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST)
    assert path.read_bytes() == CONTENT
    monkeypatch.setattr(downloads.subprocess, "run", None)  # the second call does not need pip
    assert fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST) == path


def test_a_wheel_in_the_mirror_is_used_without_pip(private_cache, tmp_path, monkeypatch):
    make_wheel(tmp_path)
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path))
    monkeypatch.setattr(downloads.subprocess, "run", None)
    assert fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST).read_bytes() == CONTENT


def test_an_error_from_pip_is_quoted_with_a_remedy(private_cache, monkeypatch):
    failed = pip_that(lambda command: subprocess.CompletedProcess(command, 1, "", "ERROR: no connection\n"))
    monkeypatch.setattr(downloads.subprocess, "run", failed)
    with pytest.raises(DownloadError, match=r"ERROR: no connection.*pip download --no-deps some-pkg==1\.0"):
        fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST)
    assert files_in(private_cache) == []


def test_pip_works_inside_the_cache_and_leaves_no_temporary_files(private_cache, monkeypatch):
    def bring(command):
        folder = Path(command[command.index("--dest") + 1])
        assert folder.parent == private_cache
        assert folder.name.startswith(".data.txt.")
        assert folder.name.endswith(".part")
        make_wheel(folder)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(downloads.subprocess, "run", pip_that(bring))
    fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST)
    assert files_in(private_cache) == ["data.txt"]


def test_a_full_disk_during_pip_is_not_blamed_on_the_network(private_cache, monkeypatch):
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] Kein Platz auf dem Gerät\n\nWARNING: old\n"
    failed = pip_that(lambda command: subprocess.CompletedProcess(command, 1, "", said))
    monkeypatch.setattr(downloads.subprocess, "run", failed)
    with pytest.raises(DownloadError, match=r"could not be written to .*No space left.*Free some disk space") as caught:
        fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST)
    assert "network" not in str(caught.value)


def test_a_damaged_wheel_is_refused(private_cache, tmp_path, monkeypatch):
    (tmp_path / "some_pkg-1.0-py3-none-any.whl").write_bytes(b"PK not a zip")
    monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path))
    with pytest.raises(DownloadError, match=r"damaged, or does not contain pkg/data\.txt"):
        fetch_from_wheel("some-pkg", "1.0", "pkg/data.txt", sha256=DIGEST)
