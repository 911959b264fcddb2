#!/usr/bin/env python3
"""Writes those lists in tests/lists/cases that other programs write: openpyxl, XlsxWriter, pandas and LibreOffice.

As make.py; run it only to change one. It needs openpyxl, xlsxwriter, pandas and LibreOffice's `soffice`.
"""

import datetime as dt
import io
import pathlib
import subprocess
import tempfile

import openpyxl
import pandas
import xlsxwriter

from make import case

NAMES = ["conversation_id", "time", "date", "at", "lasts", "vip", "share", "price", "text"]
VALUES = [
    dt.time(9, 30),
    dt.date(2026, 11, 2),
    dt.datetime(2026, 11, 2, 9, 30),
    dt.timedelta(hours=26, minutes=30),
    True,
    0.25,
    19.5,
    "0049",
]
FORMATS = {"lasts": "[h]:mm", "share": "0%", "price": '#,##0.00\\ "€"', "time": "h:mm AM/PM"}


def saved(workbook):
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def by_openpyxl():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(NAMES)
    sheet.append([101, *VALUES])
    sheet.append([102, dt.time(23, 59, 59), dt.date(1900, 1, 1), dt.datetime(2026, 11, 2), dt.timedelta(minutes=-90), False, 1, 1e3, "é&<"])
    for row in sheet.iter_rows(min_row=2):
        for cell, name in zip(row, NAMES):
            cell.number_format = FORMATS.get(name, cell.number_format)
    return workbook


def by_xlsxwriter():
    file = io.BytesIO()
    workbook = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = workbook.add_worksheet("people")
    formats = {"time": "hh:mm:ss", "date": "dd.mm.yyyy", "at": "d mmm yyyy hh:mm", **FORMATS}
    sheet.write_row(0, 0, NAMES)
    sheet.write_number(1, 0, 101)
    for at, (name, value) in enumerate(zip(NAMES[1:], VALUES), 1):
        sheet.write(1, at, value, workbook.add_format({"num_format": formats.get(name, "General")}))
    workbook.close()
    return file.getvalue()


def of_libreoffice(data, ending="xlsx"):
    with tempfile.TemporaryDirectory() as place:
        source = pathlib.Path(place) / f"in.{ending}"
        source.write_bytes(data)
        command = ["soffice", f"-env:UserInstallation=file://{place}/profile", "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", f"{place}/out", str(source)]
        subprocess.run(command, check=True, capture_output=True)
        return (pathlib.Path(place) / "out" / "in.xlsx").read_bytes()


def hidden():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["conversation_id", "city"])
    for at, city in enumerate(["Rome", "Bonn", "Rome", "Bonn", "Bonn"]):
        sheet.append([101 + at, city])
    sheet.auto_filter.ref = "A1:B6"
    sheet.auto_filter.add_filter_column(1, ["Rome"])
    for line in (3, 5, 6):
        sheet.row_dimensions[line].hidden = True
    sheet.column_dimensions["B"].hidden = True
    return workbook


def formulas():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["conversation_id", "name", "unused"])
    sheet.append([101, '="A"&"da"', "=1+1"])
    sheet.append([102, "Bob", "=1/0"])
    return workbook


def beside():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for line, row in enumerate([["conversation_id", "name"], [101, "Ada"], [102, "Bob"]], 3):
        for column, value in enumerate(row, 3):
            sheet.cell(line, column, value)
    sheet.cell(4, 8, "total: 2")
    return workbook


def far():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["conversation_id", "name"])
    sheet.append([101, "Ada"])
    sheet["XFD1048576"] = "x"
    return workbook


def dates_of_1904():
    workbook = openpyxl.Workbook()
    workbook.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet = workbook.active
    sheet.append(["conversation_id", "date"])
    sheet.append([101, dt.date(2026, 11, 2)])
    return workbook


def of_pandas():
    file = io.BytesIO()
    frame = pandas.DataFrame({"conversation_id": [101, 102], "since": pandas.to_datetime(["2026-11-02", None]), "vip": [True, None]})
    frame.to_excel(file, engine="openpyxl")
    return file.getvalue()


if __name__ == "__main__":
    key = "{ file: list.xlsx, key: '{{ name }}' }\n"
    case("workbook_of_openpyxl", saved(by_openpyxl()), "xlsx")
    case("workbook_of_xlsxwriter", by_xlsxwriter(), "xlsx")
    case("workbook_of_libreoffice", of_libreoffice(saved(by_openpyxl())), "xlsx")
    case("workbook_of_pandas", of_pandas(), "xlsx")
    case("workbook_with_hidden_rows", saved(hidden()), "xlsx")
    case("workbook_with_hidden_rows_of_libreoffice", of_libreoffice(saved(hidden())), "xlsx")
    case("workbook_with_formulas_of_libreoffice", of_libreoffice(saved(formulas())), "xlsx", recipients=key)
    case("workbook_with_formulas_not_calculated", saved(formulas()), "xlsx", recipients=key)
    case("workbook_with_formulas_that_nothing_uses", saved(formulas()), "xlsx")
    case("workbook_with_cells_beside_the_list", saved(beside()), "xlsx")
    case("workbook_with_a_far_cell", saved(far()), "xlsx")
    case("workbook_since_1904", saved(dates_of_1904()), "xlsx")
