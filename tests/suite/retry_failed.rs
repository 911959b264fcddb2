//! `run --retry-failed`: only an operator's word sends again, only to whom it can help, and what was before stays on
//! record.

use std::fs;

use campaign::ledger::register_checksum;
use rusqlite::Connection;

use crate::harness::{Desk, Project};

const TEMPLATE: &str = "{ content: Hello, template_params: { name: order_update, language: en_US, processed_params: { \
     '1': 'x' } } }";

fn fails_once(code: u32) -> Desk {
    Desk::start(&format!(
        "faults: [{{ on: message, match: {{ conversation_id: 102 }}, times: 1, fail: {{ code: {code}, title: No }} }}]"
    ))
}

/// How often conversation 102 was asked to get a message anew, and to get the one that it has again.
fn to_102(desk: &Desk) -> (usize, usize) {
    let retries = desk.requests("retry").len();
    (desk.addressed().iter().filter(|id| **id == 102).count(), retries)
}

#[test]
fn a_message_that_failed_at_once_is_sent_again_by_livedesk_itself() {
    let desk = fails_once(131_053);
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(3);
    project.run(&[]).exits(3);
    assert_eq!(to_102(&desk), (1, 0), "nothing is sent again without being asked for");
    project.run(&["--retry-failed"]).exits(0).says("retrying 1 failed message");
    assert_eq!(to_102(&desk), (1, 1));
    let row = &project.report()[1];
    assert_eq!((row["outcome"].as_str(), row["attempts"].as_str()), ("accepted", "2"));
    assert!(row["error"].starts_with("earlier failed, 131053: No (sent again 20"), "{row:?}");
}

#[test]
fn a_message_that_livedesk_has_forgotten_is_sent_anew() {
    let desk = Desk::start(
        "faults:
          - { on: message, times: 1, fail: { code: 131053, title: No } }
          - { on: retry, status: 404 }",
    );
    let project = Project::at(&desk).people(1);
    project.run(&[]).exits(3);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!((desk.messages().len(), desk.requests("retry").len()), (2, 1));
}

/// What was asked of a desk, by kind.
fn asked(desk: &Desk) -> Vec<String> {
    desk.journal().iter().filter_map(|entry| entry["kind"].as_str().map(str::to_owned)).collect()
}

const BY_PHONE: &str = "{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }";

/// One recipient who is found or made by their phone number.
fn by_phone(desk: &Desk) -> Project {
    Project::at(desk).to(BY_PHONE).message("{ content: Hi }").list("phone\n+4915112345678\n")
}

#[test]
fn what_livedesk_has_lost_since_the_last_attempt_is_made_anew_and_remembered() {
    let desk = Desk::start("faults: [{ on: message, fail: { code: 131053, title: No } }]");
    let project = by_phone(&desk);
    project.run(&[]).exits(3);
    assert_eq!(asked(&desk), ["contact", "conversation", "message"]);
    // A desk that has never heard of the contact, the conversation and the message.
    let empty = Desk::start("strict: true\nfaults: [{ on: message, match: { nth: 2 }, status: 422 }]");
    let project = project.address(&empty);
    project.run(&["--retry-failed"]).exits(3);
    let anew = ["retry", "message", "conversation", "contact", "conversation", "message"];
    assert_eq!(asked(&empty), anew);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(asked(&empty)[anew.len()..], ["message"], "the new ids are kept, the dead ones forgotten");
}

#[test]
fn an_id_that_is_gone_again_fails_and_an_id_of_this_attempt_is_not_made_twice() {
    let desk = Desk::start("faults: [{ on: message, status: 404 }]");
    let project = by_phone(&desk);
    project.run(&[]).exits(3);
    assert_eq!(asked(&desk), ["contact", "conversation", "message"], "one refusal is no reason to do it all again");
    project.run(&["--retry-failed"]).exits(3);
    assert_eq!(asked(&desk)[3..], ["message", "conversation", "message"]);
}

#[test]
fn a_contact_that_was_merged_is_looked_for_again() {
    let desk = Desk::start("faults: [{ on: conversation, times: 2, status: 404 }]");
    let project = by_phone(&desk);
    project.run(&[]).exits(3);
    assert_eq!(asked(&desk), ["contact", "conversation"]);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(asked(&desk)[2..], ["conversation", "contact", "search", "conversation", "message"]);
}

#[test]
fn an_id_that_the_row_gives_is_the_rows_own() {
    let desk = Desk::start("strict: true");
    for (to, kind) in
        [("{ conversation_id: '{{ id }}' }", "message"), ("{ inbox_id: 79, contact_id: '{{ id }}' }", "conversation")]
    {
        let before = desk.arrived();
        let project = Project::at(&desk).to(to).message("{ content: Hi }").list("id\n101\n");
        project.run(&[]).exits(3);
        project.run(&["--retry-failed"]).exits(3);
        assert_eq!(asked(&desk)[before..], [kind, kind], "{to}");
    }
}

#[test]
fn who_cannot_be_reached_is_looked_at_again_before_anything_is_sent() {
    let desk = Desk::start("faults: [{ on: conversation, times: 2, body: { id: 40, muted: true } }]");
    let project = by_phone(&desk).setting("checks: { unreachable: refuse }");
    project.run(&[]).exits(3);
    project.run(&["--retry-failed"]).exits(3);
    assert_eq!(asked(&desk), ["contact", "conversation", "conversation"]);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(asked(&desk)[3..], ["conversation", "message"]);
}

#[test]
fn doubt_about_sending_again_is_doubt() {
    let desk = Desk::start(
        "faults:
          - { on: message, times: 1, fail: { code: 131053, title: No } }
          - { on: retry, drop: after_accepting }",
    );
    let project = Project::at(&desk).people(1);
    project.run(&[]).exits(3);
    project.run(&["--retry-failed"]).exits(4);
    project.run(&["--retry-failed"]).exits(4);
    assert_eq!(desk.requests("retry").len(), 1);
}

#[test]
fn whom_it_cannot_help_or_not_yet_is_left_and_said() {
    for (code, why) in [(131_026, "retrying cannot help"), (131_049, "too early"), (131_050, "retrying cannot help")] {
        let desk = fails_once(code);
        let project = Project::at(&desk).people(3);
        project.run(&[]).exits(3);
        let ran = project.run(&["--retry-failed"]).exits(3).says(why);
        assert_eq!(to_102(&desk), (1, 0), "{}", ran.stderr);
    }
}

#[test]
fn who_had_enough_is_asked_again_after_a_day() {
    let desk = fails_once(131_049);
    let project = Project::at(&desk).people(3);
    project.run(&[]).exits(3);
    let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    register_checksum(&ledger).unwrap();
    ledger.execute("UPDATE delivery SET settled_at = settled_at - 86400001", []).unwrap();
    drop(ledger);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(to_102(&desk).0 + to_102(&desk).1, 2);
}

#[test]
fn a_wrong_template_is_sent_again_only_once_it_is_mended_and_then_anew() {
    let desk = Desk::start("templates: [{ name: order_update, language: en_US, body: 1 }]");
    let wrong = TEMPLATE.replace("'1': 'x'", "'1': 'x', '2': 'y'");
    let project = Project::at(&desk).people(1).message(&wrong);
    project.run(&[]).exits(3);
    project.run(&["--retry-failed"]).exits(3).says("the message must be changed first");
    assert_eq!(desk.messages().len(), 1);
    let project = project.message(TEMPLATE);
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!((desk.messages().len(), desk.requests("retry").len()), (2, 0));
}

#[test]
fn a_corrected_row_is_taken_as_it_is_now() {
    let desk =
        Desk::start("faults: [{ on: message, match: { content: Bob }, fail: { code: 132005, title: Too long } }]");
    let project =
        Project::at(&desk).list("conversation_id,name\n101,Ada\n102,Bob\n").message("{ content: 'Hi {{ name }}' }");
    let project = project.send("concurrency: 1");
    project.run(&[]).exits(3);
    let project = project.list("conversation_id,name\n101,Ada changed too\n102,B.\n");
    project.run(&["--retry-failed"]).exits(0);
    let texts: Vec<_> = desk.messages().iter().map(|entry| entry["body"]["content"].clone()).collect();
    assert_eq!(texts, ["Hi Ada", "Hi Bob", "Hi B."]);
}

#[test]
fn only_those_who_are_named_are_sent_again() {
    let desk = Desk::start("faults: [{ on: message, times: 3, status: 404 }]");
    let project = Project::at(&desk).people(4).send("concurrency: 1");
    project.run(&[]).exits(3);
    project.run(&["--retry-failed", "--only", "102"]).exits(3);
    assert_eq!(project.outcomes(), ["101: failed", "102: accepted", "103: failed", "104: accepted"]);
}

#[test]
fn what_a_dry_run_with_it_shows_is_what_leaves_and_nothing_is_changed() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 404 }]");
    let project = Project::at(&desk).people(2).send("concurrency: 1");
    project.run(&[]).exits(3);
    let ran = project.run(&["--retry-failed", "--dry-run", "--format", "json"]).exits(0);
    assert_eq!(ran.json().len(), 1);
    assert_eq!(ran.json()[0]["key"], "101");
    assert_eq!(project.outcomes()[0], "101: failed");
    assert_eq!(desk.messages().len(), 2);
}

#[test]
fn without_its_list_a_campaign_is_retried_from_the_ledger() {
    let desk = Desk::start("faults: [{ on: message, times: 1, status: 404 }]");
    let project = Project::at(&desk).people(2).send("concurrency: 1");
    project.run(&[]).exits(3);
    fs::remove_file(project.path("list.csv")).unwrap();
    project.run(&["--retry-failed"]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 101]);
}

#[test]
fn messages_that_failed_count_against_quotas_after_they_are_taken_up_again() {
    let desk = Desk::start("faults: [{ on: message, times: 2, fail: { code: 131053, title: No } }]");
    let project = Project::at(&desk).people(3).send("quota: 3/h");
    project.run(&[]).exits(3);
    project.run(&["--retry-failed", "--no-wait"]).exits(7);
    assert_eq!((desk.messages().len(), desk.requests("retry").len()), (3, 0));
}

#[test]
fn a_ledger_of_the_first_format_is_continued_and_its_words_are_kept() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).send("concurrency: 1");
    project.run(&["--limit", "1"]).exits(0);
    let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    register_checksum(&ledger).unwrap();
    ledger
        .execute_batch(
            "DROP TRIGGER receipt_begins; DROP TRIGGER receipt_begins_with_its_row; DROP TRIGGER receipt_ends;
             DROP TABLE receipt; DROP TABLE tracking; DROP TABLE transfer; DROP TABLE proof; DROP TABLE canary;
             DROP TRIGGER progress_insert; DROP TRIGGER progress_update; DROP TRIGGER progress_delete;
             DROP TABLE identity; DROP TABLE attachment; DROP TABLE history;
             ALTER TABLE campaign DROP COLUMN checksum; ALTER TABLE columns DROP COLUMN checksum;
             ALTER TABLE left_out DROP COLUMN checksum; ALTER TABLE delivery DROP COLUMN checksum;
             ALTER TABLE delivery DROP COLUMN sent_as; ALTER TABLE delivery DROP COLUMN again;
             ALTER TABLE delivery DROP COLUMN left_at; ALTER TABLE campaign DROP COLUMN clock;
             ALTER TABLE campaign DROP COLUMN last_request_at;
             CREATE TABLE resolution (delivery INTEGER NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
                at INTEGER NOT NULL, verdict TEXT NOT NULL, note TEXT) STRICT;
             INSERT INTO resolution SELECT id, 1795000000000, 'sent', 'seen there' FROM delivery WHERE key = '101';
             PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(ledger);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103]);
    assert_eq!(project.report()[0]["error"], "earlier unknown (resolved as sent 2026-11-18T11:06:40Z: seen there)");
}

#[test]
fn a_ledger_of_the_fourth_format_is_continued_and_what_it_accepted_is_followed() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).send("concurrency: 1");
    project.run(&["--limit", "2"]).exits(0);
    let open = || {
        let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
        register_checksum(&ledger).unwrap();
        ledger
    };
    open()
        .execute_batch(
            "DROP TRIGGER receipt_begins; DROP TRIGGER receipt_begins_with_its_row; DROP TRIGGER receipt_ends;
             DROP TABLE receipt; DROP TABLE tracking; DROP TABLE transfer; DROP TABLE proof; DROP TABLE canary;
             UPDATE identity SET schema = (SELECT checksum(group_concat(sql, ';')) FROM
                (SELECT sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY rowid));
             PRAGMA user_version = 4;",
        )
        .unwrap();
    project.campaign(&["status", "campaign.yaml"]).exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103]);
    let followed = "SELECT count(*) FROM receipt r JOIN delivery d ON d.id = r.delivery
        WHERE d.message_id = r.message_id AND r.look_at = d.settled_at + 900000";
    assert_eq!(open().query_row(followed, [], |row| row.get::<_, i64>(0)), Ok(3));
}

#[test]
fn a_ledger_of_the_third_format_is_continued() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).send("concurrency: 1");
    project.run(&["--limit", "1"]).exits(0);
    let ledger = Connection::open(project.path(".campaign/c.sqlite")).unwrap();
    register_checksum(&ledger).unwrap();
    ledger
        .execute_batch(
            "DROP TRIGGER receipt_begins; DROP TRIGGER receipt_begins_with_its_row; DROP TRIGGER receipt_ends;
             DROP TABLE receipt; DROP TABLE tracking; DROP TABLE transfer; DROP TABLE proof; DROP TABLE canary;
             DROP TRIGGER progress_insert; DROP TRIGGER progress_update; DROP TRIGGER progress_delete;
             ALTER TABLE identity RENAME TO new_identity;
             CREATE TABLE identity (
                one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, claims INTEGER NOT NULL DEFAULT 0,
                schema INTEGER NOT NULL DEFAULT 0,
                checksum INTEGER NOT NULL GENERATED ALWAYS AS (checksum(one, id, claims, schema)) STORED
             ) STRICT;
             INSERT INTO identity (one, id, claims) SELECT one, id, claims FROM new_identity;
             DROP TABLE new_identity;
             UPDATE identity SET schema = (SELECT checksum(group_concat(sql, ';')) FROM
                (SELECT sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY rowid));
             PRAGMA user_version = 3;",
        )
        .unwrap();
    drop(ledger);
    project.campaign(&["status", "campaign.yaml"]).exits(0);
    project.run(&["--limit", "1"]).exits(0);
    project.run(&[]).exits(0);
    assert_eq!(desk.addressed(), [101, 102, 103]);
}

#[test]
fn those_who_have_opted_out_make_a_suppression_list_that_the_next_campaign_honours() {
    let desk = Desk::start(
        "faults: [{ on: message, match: { phone_number: '+4915112345678' }, fail: { code: 131050, title: Stopped } }]",
    );
    let to = "{ inbox_id: 79, contact: { phone_number: '{{ phone }}', identifier: '{{ id }}' } }";
    let project = Project::at(&desk).to(to).message("{ content: Hi }");
    let project = project.list("id,phone\na,+4915112345678\nb,+4915187654321\n");
    project.run(&[]).exits(3).says("1 recipient opted out of marketing").says("--only opted-out");
    project.campaign(&["report", "campaign.yaml", "--only", "opted-out"]).exits(2).says("-o opted-out.csv");
    project.campaign(&["report", "campaign.yaml", "--only", "opted-out", "-o", "opted-out.csv"]).exits(0);
    let list = fs::read_to_string(project.path("opted-out.csv")).unwrap();
    let [header, only] = list.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(header, "key,phone_number,email,identifier,contact_id,conversation_id");
    assert!(only.starts_with("a,+4915112345678,,a,2") && !only.ends_with(','), "with both ids: {only}");
    let next = Project::at(&desk).to("{ inbox_id: 79, contact: { phone_number: '{{ phone }}' } }");
    let next = next.message("{ content: Hi }").file("opted-out.csv", list);
    let next = next.setting("recipients: { file: list.csv, suppress: [opted-out.csv] }");
    next.list("phone\n+49 1511 2345678\n+4915187654321\n").run(&[]).exits(0);
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_suppression_list_of_keys_that_look_like_formulas_reads_back_whole() {
    let keys = ["=1+1", "@a", "'=1+1", "''-x", "+4915123456789", "-2+3", "a@x.de", "ada@office", "C-17"];
    let desk = Desk::start("faults: [{ on: message, fail: { code: 131050, title: Stopped } }]");
    let rows = keys.iter().enumerate().map(|(at, key)| format!("{},{key}\n", 101 + at));
    let list = format!("id,key\n{}", rows.collect::<String>());
    let project = Project::at(&desk).to("{ conversation_id: '{{ id }}' }").message("{ content: Hi }").list(&list);
    let project =
        project.setting("recipients: { file: list.csv, key: '{{ key }}' }").send("stop_when: { failed: '100%' }");
    let project = project.send("canary: 100");
    project.run(&[]).exits(3);
    project.campaign(&["report", "campaign.yaml", "--only", "opted-out", "-o", "opted-out.csv"]).exits(0);
    let opted_out = fs::read_to_string(project.path("opted-out.csv")).unwrap();
    let cells: Vec<&str> = opted_out.lines().skip(1).collect();
    assert!(cells.iter().all(|cell| !cell.starts_with(['=', '-', '@'])), "a spreadsheet would run {cells:?}");
    let next = Project::at(&desk).to("{ conversation_id: '{{ id }}' }").message("{ content: Hi }").list(&list);
    let next = next.setting("recipients: { file: list.csv, key: '{{ key }}', suppress: [opted-out.csv] }");
    let next = next.file("opted-out.csv", opted_out);
    let checked = next.campaign(&["check", "campaign.yaml", "--format", "json"]).exits(0).json();
    assert_eq!(checked.last().unwrap()["left_out"]["suppressed"], keys.len());
}

#[test]
fn a_summary_says_in_plain_words_what_is_wrong_and_with_whom_it_lies() {
    let desk = Desk::start("templates: [{ name: order_update, language: en_US, body: 2 }]");
    let project = Project::at(&desk).people(60).message(TEMPLATE).send("concurrency: 1");
    project.run(&[]).exits(5).says(
        "20 times in a row: 132000: the number of parameters does not match the template (fix: spec, list or \
         template)",
    );
    let ran = project.people(1).run(&[]).exits(3);
    let line = "failed ×1: 132000: the number of parameters does not match the template (fix: spec, list or template); \
         no message was accepted";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
}
