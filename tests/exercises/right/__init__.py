"""Right solutions, a module a lesson: of each exercise a plain one, and some in styles other than the library's."""

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
