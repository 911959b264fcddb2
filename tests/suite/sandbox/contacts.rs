//! Contacts, conversations, credentials and routes: what is taken, what is refused, and how.

use super::*;

fn taken(message: &str, attributes: &[&str]) -> (u16, Value) {
    (422, json!({ "message": message, "attributes": attributes }))
}

#[tokio::test]
async fn contacts_are_unique_by_email_identifier_and_phone() {
    let desk = Served::start("").await;
    let full = json!({
        "inbox_id": 1, "name": "Alice", "email": "Alice@Acme.inc", "phone_number": "+123456789", "identifier": "A1",
    });
    let (status, made) = desk.post("/contacts", full.clone()).await;
    assert_eq!((status, &made["payload"]["contact"]["email"]), (200, &json!("alice@acme.inc")));
    let twin = |key: &str, value: &str| desk.post("/contacts", json!({ "inbox_id": 1, key: value }));

    let phone = twin("phone_number", "+123456789").await;
    assert_eq!(phone, taken("Phone number has already been taken", &["phone_number"]));
    assert_eq!(twin("email", "ALICE@acme.INC").await, taken("Email has already been taken", &["email"]));
    assert_eq!(twin("identifier", "A1").await, taken("Identifier has already been taken", &["identifier"]));
    assert_eq!(twin("identifier", "a1").await.0, 200, "identifiers are case-sensitive");
    let all = "Email has already been taken, Identifier has already been taken, Phone number has already been taken";
    assert_eq!(desk.post("/contacts", full).await, taken(all, &["email", "identifier", "phone_number"]));
    assert!(!desk.last()["accepted"].as_bool().unwrap());
    assert_eq!(twin("name", "Alice").await.0, 200);
    assert_eq!(twin("email", "").await.0, 200, "blank is nothing");
    assert_eq!(twin("email", "").await.0, 200);
}

#[tokio::test]
async fn contacts_that_are_not_valid_are_refused() {
    let desk = Served::start("").await;
    let bad = desk.post("/contacts", json!({ "inbox_id": 1, "email": "alice", "phone_number": "0171" })).await;
    let both = "Email Invalid email, Phone number should be in e164 format";
    assert_eq!(bad, taken(both, &["email", "phone_number"]));
    let no_inbox = json!({ "error": "param is missing or the value is empty: inbox_id" });
    assert_eq!(desk.post("/contacts", json!({ "name": "x" })).await, (422, no_inbox));
    let broken = desk.request(Method::POST, "/contacts").header("content-type", "application/json").body("{oops");
    let broken = read(broken.send().await.unwrap()).await;
    assert_eq!(broken, (400, json!({ "status": 400, "error": "Bad Request" })));
    assert_eq!(desk.last()["body"], "{oops");
}

#[tokio::test]
async fn contacts_are_found_by_substring_and_plus_is_a_space() {
    let desk = Served::start("").await;
    for n in 0..20 {
        let phone = format!("+4915100000{n:02}");
        let body = json!({ "inbox_id": 1, "name": format!("Nora {n}"), "phone_number": phone, "identifier": format!("Id{n}") });
        assert_eq!(desk.post("/contacts", body).await.0, 200);
    }
    let count = async |path: &str| desk.get(path).await.1["meta"]["count"].as_u64().unwrap();
    assert_eq!(count("/contacts?q=%2B491510000007").await, 1);
    assert_eq!(count("/contacts?q=+491510000007").await, 1, "the space is stripped, and the rest is a substring");
    assert_eq!(count("/contacts?q=nora+7").await, 1);
    assert_eq!(count("/contacts?q=Id").await, 20);
    assert_eq!(count("/contacts?q=id").await, 0, "identifiers are case-sensitive");
    assert_eq!(count("/contacts?q=n_ra%2519").await, 1, "_ and % are wildcards");

    let (_, first) = desk.get("/contacts").await;
    assert_eq!((&first["meta"]["current_page"], first["payload"].as_array().unwrap().len()), (&json!(1), 15));
    let (_, second) = desk.get("/contacts?page=2&sort=-phone_number").await;
    assert_eq!(second["meta"]["current_page"], "2", "an echo of what was asked for");
    assert_eq!(second["payload"].as_array().unwrap().len(), 5);
    assert_eq!(second["payload"][4]["phone_number"], "+491510000000");
    assert_eq!(desk.get("/contacts?page=3").await.1["payload"], json!([]));
}

#[tokio::test]
async fn conversations_are_opened_for_contacts_and_sources() {
    let desk = Served::start("strict: true").await;
    let (_, made) = desk.post("/contacts", json!({ "inbox_id": 7, "name": "Alice" })).await;
    let contact = &made["payload"]["contact"]["id"];
    let (status, first) = desk.post("/conversations", json!({ "inbox_id": 7, "contact_id": contact })).await;
    assert_eq!((status, &first["meta"]["sender"]["id"], &first["inbox_id"]), (200, contact, &json!(7)));
    assert_eq!(desk.last()["answer"], json!({ "contact_id": contact, "conversation_id": first["id"] }));
    let source = &made["payload"]["contact_inbox"]["source_id"];
    let (status, second) = desk.post("/conversations", json!({ "inbox_id": 7, "source_id": source })).await;
    assert_eq!((status, &second["account_info"]["contact_id"]), (200, contact));
    assert_ne!(first["id"], second["id"]);

    let missing = (404, json!({ "error": "Resource could not be found" }));
    for body in [json!({ "contact_id": 5 }), json!({ "contact_id": "x" }), json!({ "source_id": "x" }), json!({})] {
        let mut body = body;
        body["inbox_id"] = json!(7);
        assert_eq!(desk.post("/conversations", body).await, missing);
    }
    assert_eq!(desk.post("/conversations/5/messages", json!({ "content": "x" })).await, missing);
    assert_eq!(desk.post("/conversations", json!({ "contact_id": contact })).await.0, 422);
}

#[tokio::test]
async fn what_was_not_made_here_exists_unless_strict() {
    let desk = Served::start("").await;
    let (status, opened) = desk.post("/conversations", json!({ "inbox_id": 7, "contact_id": 64_464_046 })).await;
    assert_eq!((status, &opened["account_info"]["contact_id"]), (200, &json!(64_464_046)));
    assert_eq!(desk.post("/conversations", json!({ "inbox_id": 7, "source_id": "s" })).await.0, 200);
    assert_eq!(desk.post("/conversations/141/messages", json!({ "content": "x" })).await.0, 200);
    assert_eq!(desk.post("/conversations/x/messages", json!({ "content": "x" })).await.0, 404);
    assert_eq!(desk.get("/contacts").await.1["meta"]["count"], 0, "stand-ins are not listed");
}

#[tokio::test]
async fn nobody_is_let_in_without_credentials() {
    let expected = (401, json!({ "errors": ["You need to sign in or sign up before continuing."] }));
    let desk = Served::start("credentials: { api_key: k3y, api_secret: s3cret }").await;
    let path = "/api/v2/accounts/contacts";
    let fails = [
        desk.bare(Method::GET, path),
        desk.bare(Method::GET, path).bearer_auth("k3y:s3cret"),
        desk.bare(Method::GET, path).header("authorization", "Basic ???"),
        desk.bare(Method::GET, path).basic_auth("k3y", Some("wrong")),
    ];
    for request in fails {
        assert_eq!(read(request.send().await.unwrap()).await, expected);
        assert_eq!((&desk.last()["status"], &desk.last()["accepted"]), (&json!(401), &json!(false)));
    }
    let right = desk.bare(Method::GET, path).basic_auth("k3y", Some("s3cret"));
    assert_eq!(right.send().await.unwrap().status(), 200);
    let journal = String::from_utf8(desk.journal.0.lock().unwrap().clone()).unwrap();
    assert!(!journal.contains("s3cret") && !journal.contains("czNjcmV0"), "{journal}");

    let friendly = Served::start("").await;
    let empty = friendly.bare(Method::GET, path).basic_auth("key", Some("")).send().await.unwrap();
    assert_eq!(read(empty).await, expected);
}

#[tokio::test]
async fn other_routes_and_methods_are_errors_in_json() {
    let desk = Served::start("").await;
    assert_eq!(desk.get("/inboxes").await, (404, json!({ "status": 404, "error": "Not Found" })));
    assert_eq!(read(desk.bare(Method::GET, "/").basic_auth("a", Some("b")).send().await.unwrap()).await.0, 404);
    let wrong = (405, json!({ "status": 405, "error": "Method Not Allowed" }));
    assert_eq!(desk.get("/conversations/1/messages/2/retry").await, wrong);
    assert_eq!(read(desk.request(Method::DELETE, "/contacts").send().await.unwrap()).await, wrong);
    let kinds: Vec<Value> = desk.lines().into_iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, vec![Value::Null; 4]);
}
