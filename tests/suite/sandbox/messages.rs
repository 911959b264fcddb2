//! Messages, templates and retries without a fault of the script: what is taken, what is refused, and how.

use super::*;

#[tokio::test]
async fn messages_are_counted_typed_and_checked() {
    let desk = Served::start("").await;
    let messages = "/conversations/141/messages";
    let (_, first) = desk.post(messages, json!({ "content": "a" })).await;
    let (_, second) = desk.post(messages, json!({ "content": "b", "message_type": "incoming", "private": true })).await;
    assert_eq!(
        (&first["message_type"], &first["sorting_id"], &first["private"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(
        (&second["message_type"], &second["sorting_id"], &second["private"]),
        (&json!(0), &json!(2), &json!(true))
    );
    let word = desk.post(messages, json!({ "content": "a", "message_type": "x" })).await;
    assert_eq!(word, (422, json!({ "error": "'x' is not a valid message_type" })));

    let marked = desk.post(messages, json!({ "content": "a", "source_id": "mine" })).await;
    assert_eq!((marked.0, &marked.1["source_id"], &marked.1["status"]), (200, &json!("mine"), &json!("sent")));
    assert!(desk.last()["warning"].as_str().unwrap().contains("never sends it"));
    assert!(desk.lines()[0].get("warning").is_none());
    for _ in 3..200 {
        assert_eq!(desk.post(messages, json!({ "content": "a" })).await.0, 200);
    }
    let flood = desk.post(messages, json!({ "content": "a" })).await;
    assert_eq!(flood, (422, json!({ "error": "Validation failed: Too many messages" })));
}

#[tokio::test]
async fn attachments_come_as_a_form() {
    let desk = Served::start("").await;
    let pdf = Part::bytes(vec![1; 3_000_000]).file_name("invoice.pdf").mime_str("application/pdf").unwrap();
    let form = Form::new().part("attachments[]", png(48)).part("attachments[]", pdf).text("content", "two files");
    let (status, made) = desk.upload("/conversations/141/messages", form).await;
    assert_eq!((status, &made["content"]), (200, &json!("two files")));
    let kinds = made["attachments"].as_array().unwrap().iter().map(|made| (&made["file_type"], &made["file_size"]));
    let expected = [(json!("image"), json!(48)), (json!("file"), json!(3_000_000))];
    assert!(kinds.eq(expected.iter().map(|(kind, size)| (kind, size))), "{made}");
    let uploads = json!([
        { "name": "attachments[]", "filename": "a b.png", "content_type": "image/png", "size": 48 },
        { "name": "attachments[]", "filename": "invoice.pdf", "content_type": "application/pdf", "size": 3_000_000 },
    ]);
    assert_eq!(desk.last()["body"], json!({ "fields": { "content": "two files" }, "attachments": uploads }));
}

/// Where in `template_params` something is replaced, by what (JSON), and how the complaint begins.
const BAD_PARAMETERS: [(&str, &str, &str); 14] = [
    ("", r#""{}""#, "template_params must be of type object"),
    ("/name", "null", "template_params/name must be of type string"),
    ("/name", r#""""#, "Name is required"),
    ("/language", "7", "template_params/language must be of type string"),
    ("/category", "null", "template_params/category must be of type string"),
    ("/processed_params", "[]", "template_params/processed_params must be of type object"),
    ("/processed_params/1", "1", "template_params/processed_params/1 must be of type string"),
    ("/header_params/type", r#""gif""#, "template_params/header_params/type must be one of text,"),
    ("/header_params/text_variables/1", "null", "template_params/header_params/text_variables/1 must be"),
    (
        "/header_params",
        r#"{ "type": "location", "location": { "latitude": "1", "longitude": 2 } }"#,
        "template_params/header_params/location/latitude must be of type number",
    ),
    ("/footer_params", "null", "template_params/footer_params must be of type object"),
    ("/button_params", "{}", "template_params/button_params must be of type array"),
    ("/button_params/0/index", r#""0""#, "template_params/button_params/0/index must be of type"),
    ("/button_params/0/text", "null", "template_params/button_params/0/text must be of type string"),
];

#[tokio::test]
async fn template_parameters_must_have_the_demanded_shape() {
    let desk = Served::start("").await;
    for (at, value, expected) in BAD_PARAMETERS {
        let mut body = template();
        let place = body.pointer_mut(&format!("/template_params{at}")).unwrap();
        *place = serde_json::from_str(value).unwrap();
        let (status, answer) = desk.post("/conversations/1/messages", body).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(&format!("Validation failed: {expected}")), "{at}: {answer}");
        assert_eq!((status, &desk.last()["accepted"]), (422, &json!(false)));
    }
    let mut nameless = template();
    nameless["template_params"].as_object_mut().unwrap().remove("name");
    let answer = desk.post("/conversations/1/messages", nameless).await;
    assert_eq!(answer, (422, json!({ "error": "Validation failed: Name is required" })));
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
    let post =
        |params: Value| desk.post("/conversations/1/messages", json!({ "content": "x", "template_params": params }));
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
        let error = answer["content_attributes"]["external_error"].as_str().unwrap_or_default();
        assert!(status == 200 && error.starts_with(&format!("{code}: ")), "{key}: {status} {answer}");
        assert_eq!((&desk.last()["accepted"], &answer["status"]), (&json!(true), &json!("failed")));
    }
    let named = |name: &str| json!({ "name": "welcome", "language": "de", "processed_params": { name: "x" } });
    assert_eq!(post(named("first_name")).await.1["status"], "sent");
    assert_eq!(post(named("1")).await.1["status"], "failed");
    let photo = |header: Value| json!({ "name": "photo", "language": "de", "header_params": header });
    assert_eq!(post(photo(image)).await.1["status"], "sent");
    assert_eq!(post(photo(json!({ "type": "image" }))).await.1["status"], "failed");
    assert_eq!(post(json!({ "name": "photo", "language": "de" })).await.1["status"], "failed");
}

#[tokio::test]
async fn only_failed_messages_are_sent_again() {
    let desk =
        Served::start("faults: [{ on: message, match: { nth: 1 }, fail: { code: 131047, title: No, form: graph } }]")
            .await;
    let (_, failed) = desk.post("/conversations/141/messages", json!({ "content": "x" })).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["content_attributes"], json!({ "external_error": "(#131047) No" }));
    let path = format!("/conversations/141/messages/{}/retry", failed["id"]);
    let again = read(desk.request(Method::POST, &path).send().await.unwrap()).await;
    assert_eq!((again.0, &again.1["status"], &again.1["id"]), (200, &json!("sent"), &failed["id"]));
    assert_eq!(again.1["content_attributes"], json!({}));
    assert_eq!(read(desk.request(Method::POST, &path).send().await.unwrap()).await, again, "a no-op");
    let elsewhere = path.replace("141", "142");
    for path in ["/conversations/141/messages/1/retry", "/conversations/141/messages/x/retry", &elsewhere] {
        assert_eq!(desk.post(path, json!({})).await.0, 404, "{path}");
    }
}
