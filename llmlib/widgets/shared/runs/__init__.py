"""What views of runs share: curves that stay small, the board in the browser, charts in the still picture.

A view of runs is a `RunsView` with a `runBoard` (board.mjs); see `llmlib.widgets.training` for the first of them.
"""
