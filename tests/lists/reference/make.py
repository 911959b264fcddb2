#!/usr/bin/env python3
"""Writes lists, and beside each in JSON what Python's `csv` module reads of it, which the tests compare with ours.

Run once with Python 3.11; the files are in the repository, so that the tests need no Python.
"""

import csv
import io
import json
import pathlib
import random

FOLDER = pathlib.Path(__file__).parent

LISTS = {
    "plain": (",", "id,name\n1,Ada\n2,Bob\n"),
    "no_end_of_line": (",", "id,name\n1,Ada\n2,Bob"),
    "carriage_returns": (",", "id,name\r\n1,Ada\r\n2,Bob\r\n"),
    "old_mac": (",", "id,name\r1,Ada\r2,Bob\r"),
    "blank_lines": (",", "id,name\n\n1,Ada\n\n\n2,Bob\n\n"),
    "quotes": (",", 'id,name\n1,"Ada"\n"2","Bob"\n'),
    "doubled_quotes": (",", 'id,name\n1,"A ""d"" a"\n2,""""\n3,""""""\n4,""\n'),
    "quotes_inside": (",", 'id,name\n1,A"d"a\n2,6" tall\n3,a""b\n'),
    "behind_a_closed_quote": (",", 'id,name\n1,"Ada" \n3,"x"  \n'),
    "space_before_a_quote": (",", 'id,name\n1, "Ada"\n2, ""\n'),
    "line_breaks_in_fields": (",", 'id,name\n1,"A\nd\n\na"\n2,"B\r\nob"\n'),
    "delimiters_in_fields": (",", 'id,name\n1,"A,d,a"\n2,","\n'),
    "spaces": (",", "id,name\n 1 , Ada  \n2,\tBob\n"),
    "empty_fields": (",", "id,name,city\n1,,\n,Bob,\n,,Rome\n"),
    "semicolons": (";", 'id;name\n1;"A;d,a"\n2;B,o,b\n'),
    "tabs": ("\t", 'id\tname\n1\tA d\n2\t"B\tob"\n'),
    "pipes": ("|", "id|name\n1|A,d;a\n2|Bob\n"),
    "one_column": (",", "name\nAda\nBob\n"),
    "other_letters": (",", "id,name\n1,王小明\n2,Ünïcödé\n3,👩‍👩‍👧\n4,\u00a0x\u2028y\n"),
    "backslashes": (",", 'id,name\n1,a\\b\n2,"a\\"\n3,"\\n"\n'),
    "apostrophes": (",", "id,name\n1,'Ada, L'\n".replace(", L", "")),
    "long_fields": (",", "id,name\n1," + "x" * 70_000 + '\n2,"' + 'y""\n' * 30_000 + '"\n'),
}


def random_list(seed):
    """Fields of everything that is special, written by Python."""
    chance = random.Random(seed)
    pieces = ["a", "é", " ", ",", ";", '"', '""', "\n", "\r\n", "\t", "|", "'", "\\", "=", "王"]
    delimiter = chance.choice([",", ";", "\t", "|"])
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=chance.choice(["\n", "\r\n"]))
    writer.writerow(["id", "name", "note", "city"])
    for row in range(200):
        fields = ["".join(chance.choices(pieces, k=chance.randrange(6))) for _ in range(3)]
        writer.writerow([row, *fields])
    return delimiter, text.getvalue()


def write(name, delimiter, text):
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    (FOLDER / f"{name}.csv").write_bytes(text.encode())
    (FOLDER / f"{name}.json").write_text(json.dumps(rows, ensure_ascii=False) + "\n", encoding="utf-8")


for name, (delimiter, text) in LISTS.items():
    write(name, delimiter, text)
for seed in range(8):
    write(f"random_{seed}", *random_list(seed))
