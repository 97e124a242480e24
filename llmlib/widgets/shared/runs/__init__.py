"""Provide what all run views share: compact curves, and the charts in the browser and in the static picture.

A view of runs is a `RunsView` with a `runBoard` (board.mjs); for an example, see `llmlib.widgets.training`.
"""
