#!/usr/bin/env python3
"""Writes the lists in tests/lists/cases, many of which no editor would save as they are.

The lists in the repository are what the tests read; run this only to change one. Each folder has a `list.*`, where needed
the value of `recipients` and of `to` in the spec, and in `expected.snap` what `campaign check` says and which rows are read.
"""

import io
import pathlib
import zipfile

CASES = pathlib.Path(__file__).parent / "cases"
PEOPLE = "conversation_id,name\n101,José\n102,Jürgen\n"
TO_PHONE = "{ inbox_id: 1, contact: { name: Somebody, phone_number: '{{ phone }}' } }"


def case(name, content, ending="csv", recipients=None, to=None, **more):
    folder = CASES / name
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"list.{ending}": content, "recipients.yaml": recipients, "to.yaml": to, **more}
    for file, content in files.items():
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (folder / file).write_bytes(data)


def headers():
    case("header_with_invisible_characters", "\u200bconversation_id ,name, city\u00a0\n101,Ada,Rome\n")
    case("header_with_one_space", "conversation_id, name\n101,Ada\n")
    case("header_with_two_of_a_name", "conversation_id,name,name\n101,Ada,L\n")
    case("header_with_names_of_several_columns", "conversation_id,note,note,tag,note,tag\n101,a,b,c,d,e\n")
    case("header_with_two_of_a_name_once_trimmed", "conversation_id,name,name\u00a0\n101,Ada,L\n")
    case("header_without_a_name", "conversation_id,,name\n101,x,Ada\n")
    case("header_with_an_index_of_pandas", ",conversation_id,name\n0,101,Ada\n1,102,Bob\n")
    case("header_with_a_comma_at_its_end", "conversation_id,name,\n101,Ada,\n102,Bob\n103,Smith, John\n")
    case("header_of_too_many_columns", "conversation_id" + ",x" * 20_000 + "\n101" + ",y" * 20_000 + "\n")
    case("header_without_many_names", "conversation_id;name" + ";" * 9 + "\n101;Ada" + ";" * 9 + "\n")
    case("header_that_is_a_phone_number", "+49 1512 3456789,Ada\n+49 1512 3456780,Bob\n")
    case("header_that_is_an_address", "Ada;ada@example.com\nBob;bob@example.com\n")
    case("header_of_numbers", "101,102\n103,104\n", to="{ conversation_id: '{{ row[\"101\"] }}' }")
    case("header_alone", "conversation_id,name\n")
    case("header_below_blank_rows", "\n;;\n\nconversation_id;name;city\n101;Ada;Rome\nabc;Bob;Rome\n")
    case("empty", "")
    case("empty_but_for_a_mark", "\ufeff")
    case("empty_but_for_blank_lines", "\n\r\n;;;\n\n")


def rows():
    case("ragged_rows", 'conversation_id,name\n101\n102,Bob,x\n103,"Cy, Jr"\n104,Di,,\n')
    case("blank_lines", "conversation_id,name\n\n\n101,Ada\n\nabc,Bob\n\n")
    case("blank_rows", "conversation_id;name;city\n101;Ada;Rome\n;;;;\n ; ;\nabc;Bob;Rome\n;;\n")
    case("lines_of_windows", "conversation_id,name\r\n101,Ada\r\n\r\nabc,Bob\r\n102,Cy,x\r\nabc,Di")
    case("lines_of_an_old_mac", "conversation_id,name\r101,Ada\r\rabc,Bob\r102,\"C\ry\"\rabc,Di\r")
    case("lines_of_an_old_mac_json", '{"conversation_id": 101}\r{"conversation_id": "abc"}\r', "jsonl")
    case("line_breaks_in_fields", 'conversation_id,name\n101,"A\nd\na"\nabc,"B\r\nob"\r\n102,"Cy\n\n"\nabc,Di\n')
    case("open_quote", 'conversation_id,name\n101,Ada\n102,"Bob\n103,Cy\n104,Di\n')
    case("open_quote_in_the_header", 'conversation_id,"name\n101,Ada\n')
    case("open_quote_in_the_last_line", 'conversation_id,name\r\n101,Ada\r\n102,"Bob')
    case("open_quote_behind_quoted_line_breaks", 'conversation_id,name\n101,"A\nda"\n102,"B""ob""\n103,Cy\n')
    case("open_quote_that_another_one_closes", 'conversation_id,name\n101,Ada\n102,"Bob\n103,Cy\n104,"Di"\n105,Ed\n')
    case("open_quote_that_swallows_rows", 'conversation_id,name,city\n101,"Ada\n102,Bob,Rome\n103,Cy",Rome\n104,"Di\nthe first, of two",Rome\n')
    case("quote_inside_a_field", 'conversation_id,name\n101,Ada "A" L\n102,6" tall\n103,"x" y\n')
    case("quote_before_more_text", 'conversation_id,name\n101,"5" pipe"\n102,"5"" pipe"\n103,"Cy" \n104,"a \\"b\\" c"\n105,"x"y""\n')
    case("quote_before_more_text_in_the_header", 'conversation_id,"name"s\n101,Ada\n')
    nul = "conversation_id,name\n101,Ada\n102,B\0ob\n103,Cy\n"
    case("nul", nul)
    case("nul_tsv", nul.replace(",", "\t"), "tsv")
    case("nul_jsonl", '{"conversation_id": 101}\n{"conversation_id": 102, "name": "\0"}\n', "jsonl")
    case("nul_in_the_header", "conversation_id,na\0me\n101,Ada\n")


def delimiters():
    case("delimiter_semicolon", "conversation_id;name;amount\n101;Ada;1,50\n102;Bob;2,00\n")
    case("delimiter_pipe", "conversation_id|name\n101|Ada, L\n")
    case("delimiter_tab", "conversation_id\tname\n101\tAda; L\n")
    case("delimiter_behind_a_quoted_name", '"conversation_id";"last, first, middle"\n101;"L, Ada"\n')
    case("delimiter_in_names_without_quotes", "conversation_id;name, title, city\n101;Ada\n102;Bob\n")
    case("delimiter_for_one_column", "conversation_id\n101\n102\n")
    case("delimiter_in_rows_only", "conversation_id\n101,Ada\n102,Bob\n")
    case("delimiter_said_in_the_first_line", "sep=;\r\nconversation_id;name\r\n101;A,d,a\r\nabc;Bob\r\n")
    case("delimiter_said_in_quotes", '\ufeff"sep=|"\nconversation_id|name\n101|A,d;a\n')
    case("delimiter_declared", "conversation_id:name\n101:Ada\n", recipients="{ file: list.csv, delimiter: ':' }")


def encodings():
    wide = PEOPLE.replace(",", "\t").replace("\n", "\r\n")
    case("utf8_with_a_mark", "\ufeff" + PEOPLE)
    case("utf16_of_excel", b"\xff\xfe" + wide.encode("utf-16-le"), "txt")
    case("utf16_big_endian", b"\xfe\xff" + PEOPLE.encode("utf-16-be"))
    case("utf16_without_a_mark", PEOPLE.encode("utf-16-le"))
    case("utf16_big_endian_without_a_mark", PEOPLE.encode("utf-16-be"))
    case("utf16_cut", b"\xff\xfe" + PEOPLE.encode("utf-16-le")[:-1])
    case(
        "utf16_declared_either_way",
        b"\xfe\xff" + PEOPLE.encode("utf-16-be"),
        recipients="{ file: list.csv, encoding: utf-16 }",
    )
    names = {
        "gb18030": ("王小明", "上海市浦东新区"),
        "big5": ("王小明", "臺北市信義區"),
        "shift_jis": ("田中さくら", "東京都渋谷区"),
        "euc-kr": ("김철수", "서울특별시 강남구"),
        "windows-1252": ("Müller", "Köln €"),
        "windows-1250": ("Łukasz", "Kraków"),
        "windows-1251": ("Иванов", "Москва"),
        "windows-1253": ("Παπαδόπουλος", "Αθήνα"),
    }
    for encoding, (name, city) in names.items():
        text = f"conversation_id,name,city\n101,Ada,Rome\n102,{name},{city}\n".encode(encoding)
        folder = encoding.replace("-", "_")
        case(f"declared_{folder}", text, recipients=f"{{ file: list.csv, encoding: {encoding} }}")
        case(f"undeclared_{folder}", text)
    case("declared_what_it_is_not", PEOPLE, recipients="{ file: list.csv, encoding: shift_jis }")
    case("declared_against_the_mark", "\ufeff" + PEOPLE, recipients="{ file: list.csv, encoding: windows-1252 }")
    case("undeclared_jsonl", '{"conversation_id": 101, "name": "Müller"}\n'.encode("windows-1252"), "jsonl")
    case("undeclared_behind_utf8", PEOPLE.encode() + "103,François\n".encode("windows-1252"))
    case("undeclared_and_cut", PEOPLE.encode() + b"103,Jos\xc3")
    case("damaged_letters", "conversation_id,name\n101,Ada\n102,MÃ¼ller\n103,Oâ€™Neil\n104,JOÃO\n")
    case("no_damaged_letters", "conversation_id,name\n101,JOÃO\n102,SÃO PAULO\n103,Â\n104,â\n")


def no_text():
    case("workbook_named_csv", workbook([[["conversation_id"], [101]]]))
    case("packed_list", b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\x93" * 30)
    case("page_named_csv", "\n<!DOCTYPE html>\n<html><body>Please log in</body></html>\n")
    case("json_numbers", '{"conversation_id": 101, "name": 9400111899223818218407}\n{"conversation_id": 102, "name": 12.5}\n{"conversation_id": 103, "name": 12.50}\n{"conversation_id": 104, "name": 1e2}\n{"conversation_id": 105, "name": 1e400}\n{"conversation_id": 106, "name": 0.1000000000000000055}\n{"conversation_id": 107, "name": 1.0}\n', "jsonl", recipients="{ file: list.jsonl, key: '{{ name }}' }\n")
    case("json_numbers_that_nothing_uses", '{"conversation_id": 101, "name": "Ada", "x": 1e400, "y": 12.50}\n', "jsonl")
    case("json_key_twice_inside", '{"conversation_id": 101, "name": "Ada", "more": [{"a": 1, "a": 2}]}\n', "jsonl")
    case("json_too_deep", '{"conversation_id": 101, "name": ' + "[" * 70 + "]" * 70 + "}\n", "jsonl")
    case("json_named_csv", '[{"conversation_id": 101},\n{"conversation_id": 102}]\n')
    case("document_named_csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")


def damage():
    phones = "phone,name\n{}\n"
    german = "{ file: list.csv, default_region: DE }"
    case("phones_rounded", phones.format("4.91512E+12,Ada\n\"4,91512E+12\",Bob"), to=TO_PHONE, recipients=german)
    case("phones_without_plus", phones.format("4915123456789,Ada\n+4915123456780,Bob\n1234567,Cy"), to=TO_PHONE)
    american = "{ file: list.csv, default_region: US }"
    case("phones_without_plus_of_elsewhere", phones.format("33612345678,Ada"), to=TO_PHONE, recipients=american)
    case("phones_without_zero", phones.format("15123456789,Ada\n01512 3456789,Bob"), to=TO_PHONE, recipients=german)
    case("phones_of_elsewhere", phones.format("+390612345678,Ada\n00390612345678,Bob"), to=TO_PHONE, recipients=german)
    italian = "{ file: list.csv, default_region: IT }"
    case("phones_without_zero_that_counts", phones.format("612345678,Ada"), to=TO_PHONE, recipients=italian)
    case("phones_that_are_amounts", phones.format("4915123456789.0,Ada\n'+4915123456789,Bob\n#N/A,Cy"), to=TO_PHONE, recipients=german)
    case("phones_that_are_dates", phones.format("2026-12-01,Ada\n01.12.2026,Bob\nDec-05,Cy"), to=TO_PHONE, recipients=german)


def json_lines():
    case("json_key_twice", '{"conversation_id": 101, "name": "Ada", "name": "Bob"}\n{"conversation_id": 102}\n', "jsonl")
    case("json_array", '[{"conversation_id": 101},\n{"conversation_id": 102}]\n', "jsonl")
    case("json_over_several_lines", '{\n  "conversation_id": 101\n}\n', "jsonl")
    case("json_with_a_mark_and_blank_lines", '\ufeff\n{"conversation_id": 101}\r\n \n{"conversation_id": "abc"}\n', "jsonl")
    case("json_nested", '{"conversation_id": 101, "who": {"name": ["Ada", null, 1.5]}}\n{"who": 1, "conversation_id": 102}\n', "jsonl")
    case("json_broken", '{"conversation_id": 101}\n{"conversation_id": 102,}\n[1]\n"x"\n{"a": 1} {"b": 2}\n', "jsonl")
    case("json_empty", "\n\n", "jsonl")


class Error(str):
    pass


class Date(float):
    pass


def cell(place, value):
    if value is None:
        return ""
    if isinstance(value, Error):
        return f'<c r="{place}" t="e"><v>{value}</v></c>'
    if isinstance(value, Date):
        return f'<c r="{place}" s="1"><v>{float(value)}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
    return f'<c r="{place}"><v>{value!r}</v></c>'


def workbook(sheets, names=None, hidden=(), merged=None):
    """A workbook of as few parts as Excel opens. Of a row that is None, nothing is written."""
    names = names or [f"Sheet{at + 1}" for at in range(len(sheets))]
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/>'
        "</cellXfs></styleSheet>",
    }
    listed, related = "", f'<Relationship Id="rId0" Type="{office}/styles" Target="styles.xml"/>'
    for at, (name, table) in enumerate(zip(names, sheets), 1):
        state = ' state="hidden"' if at - 1 in hidden else ""
        listed += f'<sheet name="{name}" sheetId="{at}" r:id="rId{at}"{state}/>'
        related += f'<Relationship Id="rId{at}" Type="{office}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        data = ""
        for line, values in enumerate(table, 1):
            if values is not None:
                cells = "".join(cell(f"{chr(65 + column)}{line}", value) for column, value in enumerate(values))
                data += f'<row r="{line}">{cells}</row>'
        merge = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
        sheet = f'<worksheet xmlns="{main}"><sheetData>{data}</sheetData>{merge}</worksheet>'
        parts[f"xl/worksheets/sheet{at}.xml"] = sheet
    parts["xl/workbook.xml"] = f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>'
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{package}/relationships">{related}</Relationships>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return file.getvalue()


def workbooks():
    people = [["conversation_id", "name"], [101, "Ada"], [102, "Bob"]]
    other = [["x"], ["y"]]
    german = "{ file: list.xlsx, default_region: DE }"
    case("workbook_of_three_sheets", workbook([people, other, other], ["Kunden", "Alt", "Notizen"]), "xlsx")
    case("workbook_with_a_hidden_first_sheet", workbook([other, people], ["Alt", "Kunden"], hidden=[0]), "xlsx")
    case("workbook_with_empty_rows", workbook([[None, None, *people[:2], None, [None, " "], [None, None], ["abc", "Cy"]]]), "xlsx")
    case("workbook_with_errors", workbook([[*people[:2], [102, Error("#N/A")], [Error("#REF!"), "Cy"]]]), "xlsx")
    merged = [["conversation_id", "who", None], [101, "Ada", "L"]]
    case("workbook_with_merged_names", workbook([merged], merged="B1:C1"), "xlsx")
    values = [["conversation_id", "yes", "sum", "day", "time"], [101, True, 0.1 + 0.2, Date(46327), Date(46327.5)], [102.0, False, 1e14, 12.5, -3]]
    case("workbook_of_all_kinds", workbook([values]), "xlsx")
    numbers = [["conversation_id", "order"], [101, 123456789012345], [102, 1234567890123450], [103, 4.915e21]]
    case("workbook_with_rounded_numbers", workbook([numbers]), "xlsx")
    phones = [["phone"], [4915123456789], [4915123456789.0], [15123456789], ["+4915123456780"], [Date(46327)]]
    case("workbook_with_phones_as_numbers", workbook([phones]), "xlsx", to=TO_PHONE, recipients=german)
    case("workbook_with_phones_without_plus", workbook([[["phone"], [4915123456789]]]), "xlsx", to=TO_PHONE)
    case("workbook_without_a_row", workbook([[]]), "xlsx")
    case("workbook_with_a_header_alone", workbook([people[:1]]), "xlsx")
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    case("workbook_locked", old + "EncryptedPackage".encode("utf-16-le") + bytes(600), "xlsx")
    case("workbook_of_old", old + "Workbook".encode("utf-16-le") + bytes(600), "xlsx")
    case("workbook_that_is_text", PEOPLE, "xlsx")
    case("workbook_cut", workbook([people])[:700], "xlsx")


def suppression():
    stopping = "{{ file: list.csv, suppress: [{}], default_region: DE }}"
    phones = "conversation_id,phone\n101,01512 3456789\n102,+4915123456780\n103,\n"

    def stop(name, file, content):
        case(f"suppression_{name}", phones, recipients=stopping.format(file), **{file: content})

    stop("with_an_open_quote", "stop.csv", 'phone\n"+4915123456789\n+4915123456780\n')
    stop("in_another_encoding", "stop.csv", "name;phone\nMüller;+4915123456789\n".encode("windows-1252"))
    stop("with_a_nul", "stop.txt", "+4915123456789\n\0\n")
    stop("of_a_workbook", "stop.xlsx", workbook([[["phone"], [4915123456789], ["+49 1512 3456780"]]]))
    stop("of_a_workbook_named_csv", "stop.csv", workbook([[["phone"], [4915123456789]]]))
    stop("of_text_named_workbook", "stop.xlsx", "+4915123456789\n")
    stop("of_json_lines", "stop.jsonl", '{"phone": "+4915123456789"}\n{"id": 102}\n')
    stop("of_undetected_fields", "stop.csv", "who\n+4915123456789;left\n102;moved\n")
    stop("of_rounded_numbers", "stop.csv", "phone,turnover\n4.91512E+12,1.2E+05\n########,\n")
    stop("of_nobody", "stop.csv", "")


for write in [headers, rows, delimiters, encodings, no_text, damage, json_lines, workbooks, suppression]:
    write()
