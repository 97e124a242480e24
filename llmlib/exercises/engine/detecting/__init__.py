"""Compute what is wrong with a result, in any exercise.

A `Guess` says how the result may have come about ("it is √d_head times as large", "as if `k` were one larger"). A guess
is only reported if it predicts the attempt's result in every case. `results` guesses from the expected value, `inputs`
runs the reference on changed arguments, `influence` changes an argument and runs the attempt again, `places` finds
where and in which cases the result is wrong, `infinity` looks for numbers that should be −∞, and `aliases` looks for a
second name that is mistaken for a copy.
"""
