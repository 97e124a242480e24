"""Run any lesson's exercises, compare results, recognise mistakes and write the reports.

An `exercise` consists of a reference, cases and misconceptions. `running` calls the learner's attempt safely, and
`comparing` finds where two results differ. An `examination` holds an attempt and its results. `checking` tries the
`answers` and `reasons` in order and decides what to say first, and `report` shows the reply. `asking` asks
multiple-choice questions. `recording` saves the learner's progress. `keeping` stores the source of correct attempts,
`sources` finds that source, and `scopes` finds the external names that the source uses.
"""
