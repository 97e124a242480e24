"""In the sampling lab, each of several texts is written as if alone, and can be added later or become a branch."""

import pytest
from acting import act, acts

from explore.sampled import ids_of
from llmlib.explore import explore_sampling
from llmlib.sampling import Sampler, generate
from llmlib.widgets.sampling.branches import Branches

pytestmark = pytest.mark.usefixtures("uneven")


def test_an_added_lane_catches_up_with_the_others(live):
    def written(view):
        return [lane["ids"] for lane in view.lanes]

    view = explore_sampling(*live, "one", side_by_side=({}, {"top_k": 2}), settings={"temperature": 0.5})
    acts(view, *[("race", {})] * 4)
    before = written(view)
    act(view, "add")
    assert written(view) == [*before, []]
    acts(view, *[("race", {})] * 4)
    assert written(view)[:2] == before, "the other lanes wait"
    acts(view, *[("race", {})] * 3)
    together = explore_sampling(*live, "one", side_by_side=({}, {"top_k": 2}, {"temperature": 0.5}))
    acts(together, *[("race", {})] * 7)
    assert written(view) == written(together)


def test_each_lane_writes_what_it_would_write_alone(live):
    model, tokenizer = live
    lanes = ({"temperature": 0}, {}, {"top_k": 3}, {"temperature": 1.5, "repetition_penalty": 1.2})
    view = explore_sampling(model, tokenizer, "one two", side_by_side=lanes, seed=5)
    act(view, "take", id=101)
    for _ in range(9):
        assert act(view, "race"), view.notice
    for lane, settings in zip(view.lanes, lanes):
        alone = list(
            generate(model, ids_of(view, tokenizer), 9, Sampler(**settings), seed=5, top_log_probs=0, end_ids=())
        )
        assert lane["ids"] == [choice.id for choice in alone]
        assert lane["log_probs"] == pytest.approx([choice.log_prob for choice in alone], abs=1e-3)
        assert all(view.word(id) for id in lane["ids"])


def test_lanes_can_become_branches_and_exchange_settings_with_the_main_text(live):
    view = explore_sampling(*live, "one", side_by_side=({}, {"top_k": 2}))
    acts(view, *[("race", {})] * 5)
    assert act(view, "follow", lane=1, length=3)
    assert [view.branches()[k]["id"] for k in (1, 2, 3)] == view.lanes[1]["ids"][:3]
    assert view.branches()[3]["way"] == "side by side"
    assert act(view, "follow", lane=0, length=5), "the other lanes still start from the same text"
    assert act(view, "use", lane=1)
    assert view.settings["top_k"] == 2
    act(view, "set", name="temperature", value=0.3)
    act(view, "add")
    assert view.lanes[-1]["settings"] == view.settings
    assert [len(lane["ids"]) for lane in view.lanes] == [5, 5, 0], "the other lanes are kept"
    acts(view, *[("race", {})] * 3)
    kept = view.lanes[2]["ids"]
    act(view, "drop", lane=0)
    assert view.lanes[1]["ids"] == kept
    assert act(view, "race")
    alone = explore_sampling(*live, "one", side_by_side=({"top_k": 2, "temperature": 0.3},))
    for node in view.branches()[1:]:
        if node["node"] in Branches.unpack(view.tree).path(view.at):
            act(alone, "take", id=node["id"])
    acts(alone, *[("race", {})] * 4)
    assert view.lanes[1]["ids"] == alone.lanes[0]["ids"]
    for _ in range(4):
        act(view, "add")
    assert not act(view, "add")
    assert "At most 6 texts fit" in view.notice
    assert act(view, "clear")


def test_lanes_that_outgrow_their_cache_write_the_same_texts(live, monkeypatch):
    def written():
        view = explore_sampling(*live, "one two")
        for _ in range(8):
            act(view, "race")
        return [lane["ids"] for lane in view.lanes]

    whole = written()
    monkeypatch.setattr("llmlib.explore.sampling.lanes.ROOM", 3)
    assert written() == whole


@pytest.mark.slow
def test_the_other_lanes_continue_after_one_has_ended(live):
    model, tokenizer = live
    end = model.config.end_ids[0]
    view = explore_sampling(model, tokenizer, "one", side_by_side=({}, {"temperature": 0}))
    all_but_the_end = set(range(model.config.vocab_size)) - {end}
    for id in sorted(all_but_the_end):
        act(view, "ban", id=id)
    act(view, "add")
    acts(view, *[("race", {})] * 3)
    assert view.lanes[2]["ids"] == [end]
    assert view.lanes[2]["ended"] == "end token"
    assert len(view.lanes[0]["ids"]) == 3
    greedy = list(generate(model, tokenizer.encode("one"), 3, Sampler(temperature=0), end_ids=()))
    assert view.lanes[1]["ids"] == greedy
