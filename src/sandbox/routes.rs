//! The HTTP side: which path is which endpoint, who is let in, and how an answer leaves (or does not).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;

use super::connection::Connection;
use super::handler::{Handler, Reply};
use super::request::{ApiRequest, BODY_LIMIT, Route};
use super::script::Credentials;

const REQUEST_ID: &str = "x-request-id";

pub(super) fn router(handler: Arc<Handler>) -> Router {
    // Spelled out rather than nested: a nested router hides the front of the path from the journal.
    let at = |path: &str| format!("/api/v2/accounts{path}");
    Router::new()
        .route(&at("/contacts"), get(search).post(contact))
        .route(&at("/conversations"), get(list_conversations).post(conversation))
        .route(&at("/conversations/{conversation}/messages"), get(read_messages).post(message))
        .route(&at("/inboxes/{inbox}"), get(read_inbox))
        .route(&at("/conversations/{conversation}/messages/{message}/retry"), post(retry))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(handler)
}

type Shared = State<Arc<Handler>>;
type OnConnection = ConnectInfo<Connection>;

async fn contact(State(handler): Shared, ConnectInfo(connection): OnConnection, request: Request) -> Response {
    respond(&handler, &connection, Route::Contact, request).await
}

async fn search(State(handler): Shared, ConnectInfo(connection): OnConnection, request: Request) -> Response {
    respond(&handler, &connection, Route::Search, request).await
}

async fn conversation(State(handler): Shared, ConnectInfo(connection): OnConnection, request: Request) -> Response {
    respond(&handler, &connection, Route::Conversation, request).await
}

async fn message(
    State(handler): Shared,
    ConnectInfo(connection): OnConnection,
    Path(conversation): Path<String>,
    request: Request,
) -> Response {
    respond(&handler, &connection, Route::Message { conversation }, request).await
}

async fn list_conversations(
    State(handler): Shared,
    ConnectInfo(connection): OnConnection,
    request: Request,
) -> Response {
    respond(&handler, &connection, Route::ListConversations, request).await
}

async fn read_messages(
    State(handler): Shared,
    ConnectInfo(connection): OnConnection,
    Path(conversation): Path<String>,
    request: Request,
) -> Response {
    respond(&handler, &connection, Route::ReadMessages { conversation }, request).await
}

async fn read_inbox(
    State(handler): Shared,
    ConnectInfo(connection): OnConnection,
    Path(inbox): Path<String>,
    request: Request,
) -> Response {
    respond(&handler, &connection, Route::ReadInbox { inbox }, request).await
}

async fn retry(
    State(handler): Shared,
    ConnectInfo(connection): OnConnection,
    Path((conversation, message)): Path<(String, String)>,
    request: Request,
) -> Response {
    respond(&handler, &connection, Route::Retry { conversation, message }, request).await
}

async fn unknown(State(handler): Shared, ConnectInfo(connection): OnConnection, request: Request) -> Response {
    respond(&handler, &connection, Route::Unknown, request).await
}

async fn wrong_method(State(handler): Shared, ConnectInfo(connection): OnConnection, request: Request) -> Response {
    respond(&handler, &connection, Route::WrongMethod, request).await
}

/// The way of every request: read, judged, journaled, and then, late or at once, answered or cut off.
async fn respond(handler: &Handler, connection: &Connection, route: Route, request: Request) -> Response {
    let arrived = handler.now();
    let is_authorized = is_authorized(handler.credentials.as_ref(), request.headers());
    let request_id = request.headers().get(REQUEST_ID).cloned();
    let call = ApiRequest::read(route, request).await;
    let verdict = handler.handle(&call, is_authorized, arrived);
    if verdict.delay > Duration::ZERO {
        tokio::select! {
            () = tokio::time::sleep(verdict.delay) => {}
            () = handler.closed() => connection.cut(),
        }
    }
    verdict.reply.map_or_else(
        || {
            connection.cut();
            // Never seen by anybody: writing it is what finds the connection cut.
            StatusCode::NO_CONTENT.into_response()
        },
        |reply| with_request_id(reply.into_response(), request_id),
    )
}

/// The real service gives back the id that a request came with.
fn with_request_id(mut response: Response, id: Option<HeaderValue>) -> Response {
    if let Some(id) = id {
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
    response
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// Basic authentication: the script's key pair, or any whose halves are not empty.
fn is_authorized(wanted: Option<&Credentials>, headers: &HeaderMap) -> bool {
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
