"""Run any lesson's exercises, compare results, recognise mistakes and write the reports.

An `exercise` consists of a reference, cases and misconceptions. `running` calls the learner's attempt safely, and
`comparing` finds where two results differ. An `examination` is an attempt with its results. `checking` tries the
`answers` and `reasons` in order and decides what to say first, and `report` shows it. `asking` is for questions with
choices. `recording` keeps the learner's progress. `keeping` stores the source of right attempts, `sources` finds that
source, and `scopes` finds the outside names that it needs.
"""
