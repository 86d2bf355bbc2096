"""The search language: ``host:a project:web cpu>80 state:running text``. One for the terminal, the page and alerts.

Words beside each other must all be true; ``or``, ``not`` (or ``-``) and parentheses do what they say. A bare word is
looked for in the names. ``field:text`` looks for a part of a text (``*`` and ``?`` match a whole one), ``=`` and ``!=``
compare all of it; numbers take ``<``, ``<=``, ``>``, ``>=``, ``:`` and ``:20..50``, in the units that people see:
``cpu>80`` is per cent, ``memory>4G``, ``read>10M``, ``write_latency>5ms``. Several values, as ``state:running,paused``,
are alternatives. A figure that is not known matches nothing but ``:unknown``.
"""

from virtscope.search.fields import Field, fields_of, named, owned
from virtscope.search.language import Query, parse
from virtscope.search.matching import Predicate, matching

__all__ = ["Field", "Predicate", "Query", "fields_of", "matching", "named", "owned", "parse"]
