//! The HTTP side: which path is which endpoint, who is let in, and how an answer leaves (or does not).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;

use super::call::{BODY_LIMIT, Call, Route};
use super::desk::{Desk, Reply};
use super::line::Line;
use super::script::Credentials;

pub(super) fn router(desk: Arc<Desk>) -> Router {
    // Spelled out rather than nested: a nested router hides the front of the path from the journal.
    let at = |path: &str| format!("/api/v2/accounts{path}");
    Router::new()
        .route(&at("/contacts"), get(search).post(contact))
        .route(&at("/conversations"), post(conversation))
        .route(&at("/conversations/{conversation}/messages"), post(message))
        .route(&at("/conversations/{conversation}/messages/{message}/retry"), post(retry))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(desk)
}

type Shared = State<Arc<Desk>>;
type OnLine = ConnectInfo<Line>;

async fn contact(State(desk): Shared, ConnectInfo(line): OnLine, request: Request) -> Response {
    respond(&desk, &line, Route::Contact, request).await
}

async fn search(State(desk): Shared, ConnectInfo(line): OnLine, request: Request) -> Response {
    respond(&desk, &line, Route::Search, request).await
}

async fn conversation(State(desk): Shared, ConnectInfo(line): OnLine, request: Request) -> Response {
    respond(&desk, &line, Route::Conversation, request).await
}

async fn message(
    State(desk): Shared,
    ConnectInfo(line): OnLine,
    Path(conversation): Path<String>,
    request: Request,
) -> Response {
    respond(&desk, &line, Route::Message { conversation }, request).await
}

async fn retry(
    State(desk): Shared,
    ConnectInfo(line): OnLine,
    Path((conversation, message)): Path<(String, String)>,
    request: Request,
) -> Response {
    respond(&desk, &line, Route::Retry { conversation, message }, request).await
}

async fn unknown(State(desk): Shared, ConnectInfo(line): OnLine, request: Request) -> Response {
    respond(&desk, &line, Route::Unknown, request).await
}

async fn wrong_method(State(desk): Shared, ConnectInfo(line): OnLine, request: Request) -> Response {
    respond(&desk, &line, Route::WrongMethod, request).await
}

/// The way of every request: read, judged, journaled, and then, late or at once, answered or cut off.
async fn respond(desk: &Desk, line: &Line, route: Route, request: Request) -> Response {
    let arrived = desk.now();
    let let_in = let_in(desk.credentials.as_ref(), request.headers());
    let call = Call::read(route, request).await;
    let verdict = desk.judge(&call, let_in, arrived);
    if verdict.delay > Duration::ZERO {
        tokio::select! {
            () = tokio::time::sleep(verdict.delay) => {}
            () = desk.closed() => line.cut(),
        }
    }
    verdict.reply.map_or_else(
        || {
            line.cut();
            // Never seen by anybody: writing it is what finds the connection cut.
            StatusCode::NO_CONTENT.into_response()
        },
        Reply::into_response,
    )
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// Basic authentication: the script's key pair, or any whose halves are not empty.
fn let_in(wanted: Option<&Credentials>, headers: &HeaderMap) -> bool {
    let Some((api_key, api_secret)) = credentials(headers) else {
        return false;
    };
    match wanted {
        Some(wanted) => *wanted == Credentials { api_key, api_secret },
        None => !api_key.is_empty() && !api_secret.is_empty(),
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(key, secret)| (key.to_owned(), secret.to_owned()))
}
