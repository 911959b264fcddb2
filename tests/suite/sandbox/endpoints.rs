//! Every endpoint without a fault: what is taken, what is refused, and how.

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
    assert_eq!(
        (status, &made["payload"]["contact"]["email"]),
        (200, &json!("alice@acme.inc"))
    );
    let twin =
        |key: &str, value: &str| desk.post("/contacts", json!({ "inbox_id": 1, key: value }));

    let phone = twin("phone_number", "+123456789").await;
    assert_eq!(
        phone,
        taken("Phone number has already been taken", &["phone_number"])
    );
    assert_eq!(
        twin("email", "ALICE@acme.INC").await,
        taken("Email has already been taken", &["email"])
    );
    assert_eq!(
        twin("identifier", "A1").await,
        taken("Identifier has already been taken", &["identifier"])
    );
    assert_eq!(
        twin("identifier", "a1").await.0,
        200,
        "identifiers are case-sensitive"
    );
    let all = "Email has already been taken, Identifier has already been taken, Phone number has already been taken";
    assert_eq!(
        desk.post("/contacts", full).await,
        taken(all, &["email", "identifier", "phone_number"])
    );
    assert!(!desk.last()["accepted"].as_bool().unwrap());
    assert_eq!(twin("name", "Alice").await.0, 200);
    assert_eq!(twin("email", "").await.0, 200, "blank is nothing");
    assert_eq!(twin("email", "").await.0, 200);
}

#[tokio::test]
async fn contacts_that_are_not_valid_are_refused() {
    let desk = Served::start("").await;
    let bad = desk
        .post(
            "/contacts",
            json!({ "inbox_id": 1, "email": "alice", "phone_number": "0171" }),
        )
        .await;
    let both = "Email Invalid email, Phone number should be in e164 format";
    assert_eq!(bad, taken(both, &["email", "phone_number"]));
    let no_inbox = json!({ "error": "param is missing or the value is empty: inbox_id" });
    assert_eq!(
        desk.post("/contacts", json!({ "name": "x" })).await,
        (422, no_inbox)
    );
    let broken = desk
        .request(Method::POST, "/contacts")
        .header("content-type", "application/json")
        .body("{oops");
    let broken = read(broken.send().await.unwrap()).await;
    assert_eq!(
        broken,
        (400, json!({ "status": 400, "error": "Bad Request" }))
    );
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
    assert_eq!(
        count("/contacts?q=+491510000007").await,
        1,
        "the space is stripped, and the rest is a substring"
    );
    assert_eq!(count("/contacts?q=nora+7").await, 1);
    assert_eq!(count("/contacts?q=Id").await, 20);
    assert_eq!(
        count("/contacts?q=id").await,
        0,
        "identifiers are case-sensitive"
    );
    assert_eq!(
        count("/contacts?q=n_ra%2519").await,
        1,
        "_ and % are wildcards"
    );

    let (_, first) = desk.get("/contacts").await;
    assert_eq!(
        (
            &first["meta"]["current_page"],
            first["payload"].as_array().unwrap().len()
        ),
        (&json!(1), 15)
    );
    let (_, second) = desk.get("/contacts?page=2&sort=-phone_number").await;
    assert_eq!(
        second["meta"]["current_page"], "2",
        "an echo of what was asked for"
    );
    assert_eq!(second["payload"].as_array().unwrap().len(), 5);
    assert_eq!(second["payload"][4]["phone_number"], "+491510000000");
    assert_eq!(desk.get("/contacts?page=3").await.1["payload"], json!([]));
}

#[tokio::test]
async fn conversations_are_opened_for_contacts_and_sources() {
    let desk = Served::start("strict: true").await;
    let (_, made) = desk
        .post("/contacts", json!({ "inbox_id": 7, "name": "Alice" }))
        .await;
    let contact = &made["payload"]["contact"]["id"];
    let (status, first) = desk
        .post(
            "/conversations",
            json!({ "inbox_id": 7, "contact_id": contact }),
        )
        .await;
    assert_eq!(
        (status, &first["meta"]["sender"]["id"], &first["inbox_id"]),
        (200, contact, &json!(7))
    );
    assert_eq!(
        desk.last()["answer"],
        json!({ "contact_id": contact, "conversation_id": first["id"] })
    );
    let source = &made["payload"]["contact_inbox"]["source_id"];
    let (status, second) = desk
        .post(
            "/conversations",
            json!({ "inbox_id": 7, "source_id": source }),
        )
        .await;
    assert_eq!(
        (status, &second["account_info"]["contact_id"]),
        (200, contact)
    );
    assert_ne!(first["id"], second["id"]);

    let missing = (404, json!({ "error": "Resource could not be found" }));
    for body in [
        json!({ "contact_id": 5 }),
        json!({ "contact_id": "x" }),
        json!({ "source_id": "x" }),
        json!({}),
    ] {
        let mut body = body;
        body["inbox_id"] = json!(7);
        assert_eq!(desk.post("/conversations", body).await, missing);
    }
    assert_eq!(
        desk.post("/conversations/5/messages", json!({ "content": "x" }))
            .await,
        missing
    );
    assert_eq!(
        desk.post("/conversations", json!({ "contact_id": contact }))
            .await
            .0,
        422
    );
}

#[tokio::test]
async fn what_was_not_made_here_exists_unless_strict() {
    let desk = Served::start("").await;
    let (status, opened) = desk
        .post(
            "/conversations",
            json!({ "inbox_id": 7, "contact_id": 64_464_046 }),
        )
        .await;
    assert_eq!(
        (status, &opened["account_info"]["contact_id"]),
        (200, &json!(64_464_046))
    );
    assert_eq!(
        desk.post("/conversations", json!({ "inbox_id": 7, "source_id": "s" }))
            .await
            .0,
        200
    );
    assert_eq!(
        desk.post("/conversations/141/messages", json!({ "content": "x" }))
            .await
            .0,
        200
    );
    assert_eq!(
        desk.post("/conversations/x/messages", json!({ "content": "x" }))
            .await
            .0,
        404
    );
    assert_eq!(
        desk.get("/contacts").await.1["meta"]["count"],
        0,
        "stand-ins are not listed"
    );
}

#[tokio::test]
async fn messages_are_counted_typed_and_checked() {
    let desk = Served::start("").await;
    let messages = "/conversations/141/messages";
    let (_, first) = desk.post(messages, json!({ "content": "a" })).await;
    let (_, second) = desk
        .post(
            messages,
            json!({ "content": "b", "message_type": "incoming", "private": true }),
        )
        .await;
    assert_eq!(
        (
            &first["message_type"],
            &first["sorting_id"],
            &first["private"]
        ),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(
        (
            &second["message_type"],
            &second["sorting_id"],
            &second["private"]
        ),
        (&json!(0), &json!(2), &json!(true))
    );
    let word = desk
        .post(messages, json!({ "content": "a", "message_type": "x" }))
        .await;
    assert_eq!(
        word,
        (422, json!({ "error": "'x' is not a valid message_type" }))
    );

    let marked = desk
        .post(messages, json!({ "content": "a", "source_id": "mine" }))
        .await;
    assert_eq!(
        (marked.0, &marked.1["source_id"], &marked.1["status"]),
        (200, &json!("mine"), &json!("sent"))
    );
    assert!(
        desk.last()["warning"]
            .as_str()
            .unwrap()
            .contains("never sends it")
    );
    assert!(desk.lines()[0].get("warning").is_none());
    for _ in 3..200 {
        assert_eq!(desk.post(messages, json!({ "content": "a" })).await.0, 200);
    }
    let flood = desk.post(messages, json!({ "content": "a" })).await;
    assert_eq!(
        flood,
        (
            422,
            json!({ "error": "Validation failed: Too many messages" })
        )
    );
}

#[tokio::test]
async fn attachments_come_as_a_form() {
    let desk = Served::start("").await;
    let pdf = Part::bytes(vec![1; 3_000_000])
        .file_name("invoice.pdf")
        .mime_str("application/pdf")
        .unwrap();
    let form = Form::new()
        .part("attachments[]", png(48))
        .part("attachments[]", pdf)
        .text("content", "two files");
    let (status, made) = desk.upload("/conversations/141/messages", form).await;
    assert_eq!((status, &made["content"]), (200, &json!("two files")));
    let kinds = made["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|made| (&made["file_type"], &made["file_size"]));
    let expected = [
        (json!("image"), json!(48)),
        (json!("file"), json!(3_000_000)),
    ];
    assert!(
        kinds.eq(expected.iter().map(|(kind, size)| (kind, size))),
        "{made}"
    );
    let uploads = json!([
        { "name": "attachments[]", "filename": "a b.png", "content_type": "image/png", "size": 48 },
        { "name": "attachments[]", "filename": "invoice.pdf", "content_type": "application/pdf", "size": 3_000_000 },
    ]);
    assert_eq!(
        desk.last()["body"],
        json!({ "fields": { "content": "two files" }, "attachments": uploads })
    );
}

#[tokio::test]
async fn template_parameters_must_have_the_demanded_shape() {
    let desk = Served::start("").await;
    for (at, value, expected) in [
        (
            "/name",
            json!(null),
            "template_params/name must be of type string",
        ),
        ("/name", json!(""), "Name is required"),
        (
            "/language",
            json!(7),
            "template_params/language must be of type string",
        ),
        (
            "/category",
            json!(null),
            "template_params/category must be of type string",
        ),
        (
            "/processed_params",
            json!(["x"]),
            "template_params/processed_params must be of type object",
        ),
        (
            "/processed_params/1",
            json!(1),
            "template_params/processed_params/1 must be of type string",
        ),
        (
            "/header_params/type",
            json!("gif"),
            "template_params/header_params/type must be one of",
        ),
        (
            "/header_params/text_variables/1",
            json!(null),
            "template_params/header_params/text_variables/1 must be",
        ),
        (
            "/header_params",
            json!({ "type": "location", "location": { "latitude": "1", "longitude": 2 } }),
            "template_params/header_params/location/latitude must be of type number",
        ),
        (
            "/footer_params",
            json!(null),
            "template_params/footer_params must be of type object",
        ),
        (
            "/button_params",
            json!({}),
            "template_params/button_params must be of type array",
        ),
        (
            "/button_params/0/index",
            json!("0"),
            "template_params/button_params/0/index must be of type integer",
        ),
        (
            "/button_params/0/text",
            json!(null),
            "template_params/button_params/0/text must be of type string",
        ),
        ("", json!("{}"), "template_params must be of type object"),
    ] {
        let mut body = template();
        *body.pointer_mut(&format!("/template_params{at}")).unwrap() = value;
        let (status, answer) = desk.post("/conversations/1/messages", body).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(
            status == 422 && error.starts_with(&format!("Validation failed: {expected}")),
            "{at}: {status} {answer}"
        );
        assert_eq!(desk.last()["accepted"], false);
    }
    let mut nameless = template();
    nameless["template_params"]
        .as_object_mut()
        .unwrap()
        .remove("name");
    let answer = desk.post("/conversations/1/messages", nameless).await;
    assert_eq!(
        answer,
        (
            422,
            json!({ "error": "Validation failed: Name is required" })
        )
    );
}

#[tokio::test]
async fn registered_templates_fail_when_they_do_not_fit() {
    let desk = Served::start(
        "templates:
  - { name: order_update, language: en_US, body: 2, header: text, buttons: 1 }
  - { name: welcome, language: de, named: [first_name] }
  - { name: photo, language: de, header: image }",
    )
    .await;
    let post = |params: Value| {
        desk.post(
            "/conversations/1/messages",
            json!({ "content": "x", "template_params": params }),
        )
    };
    let fits = template()["template_params"].clone();
    assert_eq!(post(fits.clone()).await.1["status"], "sent");
    let image = json!({ "type": "image", "media_url": "https://example.com/a.jpg" });
    for (key, value, code) in [
        ("name", json!("order_updat"), 132_001),
        ("language", json!("en"), 132_001),
        ("processed_params", json!({ "1": "x" }), 132_000),
        ("processed_params", json!({ "1": "x", "3": "y" }), 132_012),
        ("header_params", image.clone(), 132_012),
        ("header_params", json!({ "type": "text" }), 132_000),
        ("button_params", json!([]), 132_000),
    ] {
        let mut params = fits.clone();
        params[key] = value;
        let (status, answer) = post(params).await;
        let error = answer["content_attributes"]["external_error"]
            .as_str()
            .unwrap_or_default();
        assert!(
            status == 200 && error.starts_with(&format!("{code}: ")),
            "{key}: {status} {answer}"
        );
        assert_eq!(
            (&desk.last()["accepted"], &answer["status"]),
            (&json!(true), &json!("failed"))
        );
    }
    let named = |name: &str| json!({ "name": "welcome", "language": "de", "processed_params": { name: "x" } });
    assert_eq!(post(named("first_name")).await.1["status"], "sent");
    assert_eq!(post(named("1")).await.1["status"], "failed");
    let photo =
        |header: Value| json!({ "name": "photo", "language": "de", "header_params": header });
    assert_eq!(post(photo(image)).await.1["status"], "sent");
    assert_eq!(
        post(photo(json!({ "type": "image" }))).await.1["status"],
        "failed"
    );
    assert_eq!(
        post(json!({ "name": "photo", "language": "de" })).await.1["status"],
        "failed"
    );
}

#[tokio::test]
async fn only_failed_messages_are_sent_again() {
    let desk = Served::start("faults: [{ on: message, match: { nth: 1 }, fail: { code: 131047, title: No, form: graph } }]").await;
    let (_, failed) = desk
        .post("/conversations/141/messages", json!({ "content": "x" }))
        .await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(
        failed["content_attributes"],
        json!({ "external_error": "(#131047) No" })
    );
    let path = format!("/conversations/141/messages/{}/retry", failed["id"]);
    let again = read(desk.request(Method::POST, &path).send().await.unwrap()).await;
    assert_eq!(
        (again.0, &again.1["status"], &again.1["id"]),
        (200, &json!("sent"), &failed["id"])
    );
    assert_eq!(again.1["content_attributes"], json!({}));
    assert_eq!(
        read(desk.request(Method::POST, &path).send().await.unwrap()).await,
        again,
        "a no-op"
    );
    let elsewhere = path.replace("141", "142");
    for path in [
        "/conversations/141/messages/1/retry",
        "/conversations/141/messages/x/retry",
        &elsewhere,
    ] {
        assert_eq!(desk.post(path, json!({})).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_credentials() {
    let expected = (
        401,
        json!({ "errors": ["You need to sign in or sign up before continuing."] }),
    );
    let desk = Served::start("credentials: { api_key: k3y, api_secret: s3cret }").await;
    let path = "/api/v2/accounts/contacts";
    let fails = [
        desk.bare(Method::GET, path),
        desk.bare(Method::GET, path).bearer_auth("k3y:s3cret"),
        desk.bare(Method::GET, path)
            .header("authorization", "Basic ???"),
        desk.bare(Method::GET, path)
            .basic_auth("k3y", Some("wrong")),
    ];
    for request in fails {
        assert_eq!(read(request.send().await.unwrap()).await, expected);
        assert_eq!(
            (&desk.last()["status"], &desk.last()["accepted"]),
            (&json!(401), &json!(false))
        );
    }
    let right = desk
        .bare(Method::GET, path)
        .basic_auth("k3y", Some("s3cret"));
    assert_eq!(right.send().await.unwrap().status(), 200);
    let journal = String::from_utf8(desk.journal.0.lock().unwrap().clone()).unwrap();
    assert!(
        !journal.contains("s3cret") && !journal.contains("czNjcmV0"),
        "{journal}"
    );

    let friendly = Served::start("").await;
    let empty = friendly
        .bare(Method::GET, path)
        .basic_auth("key", Some(""))
        .send()
        .await
        .unwrap();
    assert_eq!(read(empty).await, expected);
}

#[tokio::test]
async fn other_routes_and_methods_are_errors_in_json() {
    let desk = Served::start("").await;
    assert_eq!(
        desk.get("/inboxes").await,
        (404, json!({ "status": 404, "error": "Not Found" }))
    );
    assert_eq!(
        read(
            desk.bare(Method::GET, "/")
                .basic_auth("a", Some("b"))
                .send()
                .await
                .unwrap()
        )
        .await
        .0,
        404
    );
    let wrong = (405, json!({ "status": 405, "error": "Method Not Allowed" }));
    assert_eq!(desk.get("/conversations/1/messages").await, wrong);
    assert_eq!(
        read(
            desk.request(Method::DELETE, "/contacts")
                .send()
                .await
                .unwrap()
        )
        .await,
        wrong
    );
    let kinds: Vec<Value> = desk
        .lines()
        .into_iter()
        .map(|line| line["kind"].clone())
        .collect();
    assert_eq!(kinds, vec![Value::Null; 4]);
}
