"""From a file or a folder of somebody's pairs to :class:`mmaudit.pairs.Pairs`, every row accounted for."""

from mmaudit.data.faults import csv_text
from mmaudit.data.load import SUFFIXES, is_table, load_pairs
from mmaudit.data.options import Options

__all__ = ["SUFFIXES", "Options", "csv_text", "is_table", "load_pairs"]
