#!/usr/bin/env python3
"""Writes tests/phones/examples.csv: example numbers of every region and kind, as Python's `phonenumbers` knows them.

`pip install phonenumbers`. Each line is a notation, the region that it is read in (empty: none) and the number that must
leave. An international number must leave with the digits that were typed; what a national one becomes is what the second
implementation of libphonenumber says.
"""

import csv
import pathlib
import sys

import phonenumbers
from phonenumbers import PhoneNumberFormat as Format
from phonenumbers import PhoneNumberType as Type

KINDS = [Type.FIXED_LINE, Type.MOBILE, Type.TOLL_FREE, Type.PREMIUM_RATE, Type.SHARED_COST, Type.VOIP,
         Type.PERSONAL_NUMBER, Type.PAGER, Type.UAN, Type.VOICEMAIL]


def examples():
    seen = set()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None or not phonenumbers.is_valid_number(number):
                continue
            e164 = phonenumbers.format_number(number, Format.E164)
            if e164 in seen:
                continue
            seen.add(e164)
            yield "", e164, e164
            yield "", phonenumbers.format_number(number, Format.INTERNATIONAL), e164
            yield "", "00" + e164[1:], e164
            national = phonenumbers.format_number(number, Format.NATIONAL)
            again = phonenumbers.parse(national, region)
            yield region, national, phonenumbers.format_number(again, Format.E164)


writer = csv.writer(open(pathlib.Path(__file__).parent / "examples.csv", "w", newline=""), lineterminator="\n")
writer.writerow(["region", "written", "e164"])
writer.writerows(row for row in examples() if 8 <= len(row[2]) <= 16)
