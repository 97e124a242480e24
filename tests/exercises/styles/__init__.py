"""Right solutions in styles other than the library's: loops, einsum, numpy and back. One module a lesson."""

from collections import defaultdict

STYLES = defaultdict(list)


def solves(name):
    def keep(function):
        STYLES[name].append(function)
        return function

    return keep
