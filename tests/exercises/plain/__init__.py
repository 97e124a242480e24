"""A plain right solution of each exercise, without code that it does not need: what mutants are made from."""

PLAIN = {}


def plain(name):
    def keep(function):
        PLAIN[name] = function
        return function

    return keep
