"""How an exercise is asked, run, compared, recognised and reported, for any lesson.

An `exercise` is a reference, cases and misconceptions. `running` calls the learner's attempt and survives it,
`comparing` finds where two results differ. An `examination` is an attempt with its results; `checking` is the
ladder of `answers` and `reasons`, and decides what to say first; `report` says it, `asking` is for questions with
choices. `recording` keeps the learner's progress, and `keeping` keeps the source of right attempts: `sources` finds it,
and `scopes` finds the names that it needs from outside.
"""
