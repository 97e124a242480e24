"""How an exercise is asked, run, compared, recognised and reported; it knows no lesson.

An `exercise` is a reference, cases and misconceptions. `running` calls the learner's attempt and survives it,
`comparing` finds where two results differ. An `examination` is an attempt with what it came to; `checking` is the
ladder of `answers` and `reasons`, and decides what to say first; `report` says it, `asking` is for questions with
choices. `recording` keeps the learner's progress, and `keeping` the source of what was right: `sources` finds it, and
`scopes` the names that it takes from around it.
"""
