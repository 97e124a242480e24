"""The engine that runs any lesson's exercises, compares results, recognises mistakes and writes the reports.

An `exercise` consists of a reference, cases and misconceptions. `running` calls the learner's attempt safely, and
`comparing` finds where two results differ. An `examination` is an attempt with its results. `checking` tries the
`answers` and `reasons` in order and decides what to say first, and `report` shows it. `asking` is for questions with
choices. `recording` keeps the learner's progress. `keeping` keeps the source of right attempts, which `sources` finds;
`scopes` finds the outside names that the source needs.
"""
