"""The one change to a learner's own code that makes it right: the surest reason there is, since it has been tried.

`source` finds the code and makes functions of changed trees; `statements`, `expressions`, `constants`, `calls`,
`repeated`, `moved` and `missing` say what may be changed and what that would mean; `search` tries them one by one.
The learner is told the place and what is the matter there, never the change.
"""
