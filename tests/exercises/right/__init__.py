"""Right solutions, one module per lesson: a plain one for each exercise, and some in styles unlike the library's."""

from collections import defaultdict

PLAIN = {}
STYLES = defaultdict(list)


def plain(name):
    """Mark a solution without code that it does not need: mutants are made from it."""

    def keep(function):
        PLAIN[name] = function
        return function

    return keep


def solves(name):
    """Mark a solution in another style: loops, einsum, numpy and back."""

    def keep(function):
        STYLES[name].append(function)
        return function

    return keep
