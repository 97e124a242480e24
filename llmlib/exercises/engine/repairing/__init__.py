"""Find the one change that fixes a learner's code.

This is the most reliable diagnosis, because the change has been tried.

`source` finds the code and makes functions from changed trees; `statements`, `expressions`, `constants`, `calls`,
`repeated`, `moved` and `missing` propose changes and say what each would mean; `search` tries them one by one. The
learner is told where the mistake is and what is wrong there, but never what to change it to.
"""
