//! Whom a message goes to: a known conversation, a known sender, or a contact that is made or found.

use serde_json::json;

use crate::harness::{Desk, Project};

const CONTACT: &str =
    "{ inbox_id: 79, contact: { name: '{{ name }}', email: '{{ email }}', phone_number: '{{ phone }}' } }";

fn hello(project: Project) -> Project {
    project.message("{ content: Hello }")
}

/// Two people whom the desk knows after this: Ada by her e-mail address, Grace by her phone number.
fn with_ada_and_grace(desk: &Desk) {
    let list = "name,email,phone\nAda,ada@example.com,\nGrace,,+4915123456789\n";
    // One after the other: Ada's contact is the first.
    hello(Project::at(desk)).to(CONTACT).list(list).send("concurrency: 1").run(&[]).exits(0);
}

fn contact_ids(desk: &Desk) -> Vec<u64> {
    desk.requests("contact").iter().filter_map(|entry| entry["answer"]["contact_id"].as_u64()).collect()
}

#[test]
fn a_known_conversation_takes_one_request() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,name\n141,Ada\n142,Bob\n");
    project.message("{ content: 'Hi {{ name }}' }").run(&["--yes"]).exits(0);
    let journal = desk.journal();
    assert_eq!(journal.len(), 2);
    assert_eq!(journal[0]["path"], "/api/v2/accounts/conversations/141/messages");
    assert_eq!(journal[0]["body"], json!({ "content": "Hi Ada" }));
    assert_eq!(journal[1]["body"], json!({ "content": "Hi Bob" }));
}

#[test]
fn a_known_contact_gets_a_conversation_first() {
    let desk = Desk::friendly();
    let project = hello(Project::at(&desk)).to("{ inbox_id: 79, contact_id: '{{ contact }}' }");
    let project = project.list("contact\n2219256\n");
    project.run(&[]).exits(0);
    let journal = desk.journal();
    assert_eq!(journal[0]["path"], "/api/v2/accounts/conversations");
    assert_eq!(journal[0]["body"], json!({ "inbox_id": 79, "contact_id": 2_219_256 }));
    let made = &journal[0]["answer"]["conversation_id"];
    assert_eq!(journal[1]["answer"]["conversation_id"], *made);
    assert_eq!(journal.len(), 2);
    let row = &project.report()[0];
    assert_eq!((row["contact_id"].as_str(), row["conversation_id"].clone()), ("2219256", made.to_string()));
}

#[test]
fn a_source_id_makes_the_conversation_and_never_goes_with_the_message() {
    let desk = Desk::friendly();
    let project = hello(Project::at(&desk)).to("{ inbox_id: 79, source_id: '{{ source }}' }");
    project.list("source\n4915123456789\n").run(&[]).exits(0);
    let journal = desk.journal();
    assert_eq!(journal[0]["body"], json!({ "inbox_id": 79, "source_id": "4915123456789" }));
    assert_eq!(journal[1]["body"], json!({ "content": "Hello" }));
    assert!(!journal[1].to_string().contains("source_id"), "{}", journal[1]);
}

#[test]
fn a_new_contact_is_made_then_a_conversation_then_the_message() {
    let desk = Desk::friendly();
    let project = hello(Project::at(&desk)).to(CONTACT).list("name,email,phone\nAda,,+49 1512 3456789\n");
    project.run(&[]).exits(0);
    let journal = desk.journal();
    let kinds: Vec<_> = journal.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["contact", "conversation", "message"]);
    assert_eq!(journal[0]["body"], json!({ "inbox_id": 79, "name": "Ada", "phone_number": "+4915123456789" }));
    let row = &project.report()[0];
    for (entry, id) in [(0, "contact_id"), (1, "conversation_id"), (2, "message_id")] {
        assert_eq!(row[id], journal[entry]["answer"][id].to_string(), "{id}");
    }
    assert_eq!(journal[1]["body"]["contact_id"], journal[0]["answer"]["contact_id"]);
}

#[test]
fn a_contact_that_is_taken_is_found_by_its_exact_phone_number() {
    let desk = Desk::friendly();
    with_ada_and_grace(&desk);
    let grace = contact_ids(&desk)[1];
    let project = hello(Project::at(&desk)).to(CONTACT).list("name,email,phone\nGrace H.,,+4915123456789\n");
    project.run(&[]).exits(0);
    let searches = desk.requests("search");
    assert!(searches[0]["query"].as_str().unwrap().contains("q=%2B4915123456789"), "{}", searches[0]);
    assert_eq!(project.report()[0]["contact_id"], grace.to_string());
    assert_eq!(desk.messages().len(), 3);
}

#[test]
fn a_number_that_only_contains_the_wanted_one_is_nobody() {
    let desk = Desk::start(
        "faults: [{ on: contact, match: { phone_number: '+491512345678' }, status: 422, body: \
        { message: Phone number has already been taken, attributes: [phone_number] } }]",
    );
    with_ada_and_grace(&desk);
    let project = hello(Project::at(&desk)).to(CONTACT).list("name,email,phone\nEve,,+491512345678\n");
    project.run(&[]).exits(3);
    let row = &project.report()[0];
    assert_eq!((row["outcome"].as_str(), row["error_code"].as_str()), ("failed", "contact-not-found"));
    assert_eq!(desk.messages().len(), 2, "only those to Ada and Grace");
}

#[test]
fn an_address_found_in_other_letter_case_is_the_same_contact() {
    let desk = Desk::friendly();
    with_ada_and_grace(&desk);
    let project = hello(Project::at(&desk)).to(CONTACT).list("name,email,phone\nAda,ADA@Example.com,\n");
    project.run(&[]).exits(0);
    assert_eq!(project.report()[0]["contact_id"], contact_ids(&desk)[0].to_string());
}

#[test]
fn an_address_of_one_and_a_number_of_another_is_a_conflict_that_names_both() {
    let desk = Desk::friendly();
    with_ada_and_grace(&desk);
    let list = "name,email,phone\nEve,ada@example.com,+4915123456789\n";
    let project = hello(Project::at(&desk)).to(CONTACT).list(list);
    project.run(&[]).exits(3);
    let row = &project.report()[0];
    assert_eq!((row["outcome"].as_str(), row["error_code"].as_str()), ("failed", "contact-conflict"));
    for id in contact_ids(&desk) {
        assert!(row["error"].contains(&id.to_string()), "{id} is not in {}", row["error"]);
    }
    assert_eq!(desk.messages().len(), 2, "only those to Ada and Grace");
}

#[test]
fn ids_that_were_found_are_used_again_and_not_made_twice() {
    let desk =
        Desk::start("faults: [{ on: conversation, times: 3, status: 500 }, { on: message, times: 1, status: 429 }]");
    let project = hello(Project::at(&desk)).to(CONTACT).list("name,email,phone\nAda,ada@example.com,\n");
    project.send("retry: { attempts: 5, backoff: 1ms, max_backoff: 5ms }").run(&[]).exits(0);
    assert_eq!(desk.requests("contact").len(), 1);
    assert_eq!(desk.requests("conversation").len(), 4);
    assert_eq!(desk.messages().len(), 2);
}
