"""Find what is wrong with a result, for any exercise: by computing, never by guessing.

A `Guess` says how the result may have come about ("it is √d_head times as large", "as if `k` were one larger"). It is
only reported if it gives what the attempt gave, in every case. `results` guesses from the expected value, `inputs` runs
the reference on changed arguments, `influence` changes an argument and runs the attempt again, `places` looks where
and when it is wrong, `infinity` at what is there in place of −∞, and `aliases` looks for a second name that is taken
for a copy.
"""
