//! A declarative campaign runner for the EngageLab LiveDesk API: one spec, one list, one message for each recipient,
//! sent once.
//!
//! # One recipient's path
//!
//! Line 42 of `orders.csv` becomes a [`recipients::Row`] that keeps its line number. [`plan::RowEvaluator`] decides whether
//! it gets a message, and [`message`] renders that message. [`campaign::enroll`] stores its key, line and data in the
//! [`ledger`] once, however often the campaign is run. Once the plan is confirmed, [`run`] leases the delivery when its
//! [`window`] is open, creates the contact and the conversation where the spec asks for them, and waits for its turn in
//! [`pace`]. [`ledger::Deliver::claim`] puts the intent on disk, and only the [`ledger::Claim`] that comes back lets
//! [`livedesk::Client::send`] send the message. [`livedesk::Exchange`] alone decides what the answer means, and [`backoff`]
//! how often and after what wait to try again. The outcome is recorded in the ledger and shown by [`progress`]; at the end
//! [`report`] writes a line about it. After that, [`track`] reads whether the message was delivered and read.
//! [`preview`] shows messages as chat bubbles before anything is sent.
//!
//! # One run's path
//!
//! [`mod@campaign`] is the use case, without a command line: [`Inputs`] reads and checks spec and list, [`open`] enrols the
//! list and makes the plan, `confirm` asks, `send` sends, `report` reports. [`cli`] turns arguments into options, and
//! notices and results into text.
//!
//! A program can do the same without a command line; the test `library` does:
//!
//! ```
//! # use std::{future::pending, path::Path};
//! # use campaign::{CampaignError, Inputs, Operator, Options, Outcome, livedesk::Client, run::Stop};
//! async fn run(spec: &Path, client: &Client, operator: &impl Operator) -> Result<Outcome, CampaignError> {
//!     let options = Options::default();
//!     let inputs = Inputs::read(spec, &[], &options.enrolment).await?;
//!     let campaign = campaign::open(inputs, options, operator).await?;
//!     let confirmed = campaign.confirm(operator).await?;
//!     let sent = confirmed.send(client, &Stop::new(), pending(), operator).await?;
//!     confirmed.report(sent, pending(), operator).await
//! }
//! ```
//!
//! # Layers
//!
//! The modules below are in the order of their layers: a module uses only modules above it, and the test `layers` holds
//! that.
//!
//! | layer | modules | knows |
//! |---|---|---|
//! | core | `humanize` to `preview` | no network, clock, files, or event loop |
//! | edges | `clock` to `sandbox` | each one thing outside: a clock, the disk, a database, LiveDesk |
//! | use case | `campaign` | the order of a run, and every guard against messaging anybody twice; prints nothing |
//! | outside | `stdio` to `cli` | arguments, the environment, terminals, exit codes |
//!
//! | module | decides |
//! |---|---|
//! | [`specification`] | the keys of a spec, their checks, JSON Schema and all default numbers: a file per section |
//! | [`recipients`] | how a list is read: CSV, JSONL, XLSX, encodings, phone numbers, suppression lists |
//! | [`message`] | templates, their filters, what identifies a recipient (`render::key`), and what is checked in a rendered message |
//! | [`whatsapp`] | WhatsApp's rules for template values, and its limits of length |
//! | [`window`] | when a recipient may be messaged: for the run and for the forecast |
//! | [`plan`] | which rows get a message, the samples of a dry run, and the forecast of a run |
//! | [`livedesk`] | requests, and what an answer means (`answer::classification`) |
//! | [`codes`] | what an error code means, who has to act, and whether a retry can help |
//! | [`state`], [`receipt`] | the outcomes of a delivery and the states of a receipt, and what may follow each |
//! | [`opt_out`] | which replies are opt-outs |
//! | [`ledger`] | storage: the contract in `contract`, its implementations in `sqlite` and `postgres`, what a database's error means in the `errors` of each |
//! | [`backoff`], [`pace`] | the waits between retries; rates, quotas and slow start |
//! | [`run`] | the sending loop, and what stops it: `guard`, `circuit_breaker`, `rate_limits`, `credentials` |
//! | [`track`] | how receipts are read: `schedule` (when), `sweep` (pages of the inbox's conversations), `reader` (rate, retries); what proves that an unknown message was sent (`evidence`) |
//! | [`report`] | the columns (`Record`) and formats of reports and of the plan's file |
//! | [`sandbox`] | the local LiveDesk: `script` has the keys of a fault, `faults` picks one, `handler` applies it |
//! | [`mod@campaign`] | the steps of each command; the canary, changed messages, `--retry-failed`, checks of the account (`doctor`) |
//! | [`problem`] | how a problem of a spec or list is drawn |
//! | [`preview`] | the page of a dry run that shows messages as chat bubbles |
//! | [`mask`], [`secret`] | what is hidden in output |
//! | [`metrics`] | the metrics for Prometheus |
//! | [`notify`] | how people and programs are told that a run has ended; what they are told is in `cli::notify` |
//! | [`cli`] | commands and flags (`args`), wording of plan and summary, exit codes |
//!
//! # Glossary
//!
//! | word | means |
//! |---|---|
//! | spec | the YAML file that describes a campaign |
//! | list | the CSV, JSONL or XLSX file with one row per recipient |
//! | key | identifies a recipient: rows with the same key are one delivery |
//! | delivery | the message for one recipient, from enrolment to outcome |
//! | ledger | the durable record of all deliveries of a campaign |
//! | enrolment | reading the list into the ledger, all of it or nothing |
//! | worker | a process that works on a campaign; several can share a ledger in PostgreSQL |
//! | lease | a pending delivery that one worker may send; it ends with the worker |
//! | heartbeat | how a worker shows the others that it is alive (`ledger::postgres::heartbeat`) |
//! | claim | the durable record that a message is about to be sent; without one nothing can be sent |
//! | fence | the number of a run: a run can only end its own claims |
//! | outcome | the state of a delivery: pending, claimed, accepted, failed, unknown or skipped |
//! | unknown | may have been sent; never sent again unless a person decides so |
//! | settle | record the outcome of a claim |
//! | receipt | what became of an accepted message afterwards: delivered, read, failed |
//! | proof | a message that goes to the operator instead of the recipient, to look at it; counted in no total |
//! | resolve | decide what became of an unknown delivery: by a person, or by evidence that LiveDesk shows |
//! | canary | the first few messages, which must be approved before the rest is sent |
//! | probe | a harmless request that shows whether LiveDesk is back |
//! | circuit breaker | stops sending after an unclear answer, and tries a single message before it resumes |
//! | scope | who else would fail in the same way: one recipient, or everybody |
//! | window | the hours in which a recipient may be messaged |
//! | quota | how many messages may leave within a long period |
//! | span | where a value is in the spec: the bytes that a problem underlines |
//! | problem | what is wrong with spec or list: its place, what, and how to fix it |
//! | Chatwoot | the open-source software that LiveDesk is derived from; its behavior explains LiveDesk's |
//! | sandbox | a local LiveDesk with faults from a script |

// The core.
pub mod humanize;
pub mod mask;
pub mod problem;
pub mod secret;
pub mod json_schema;
pub mod state;
pub mod codes;
pub mod receipt;
pub mod opt_out;
pub mod window;
pub mod whatsapp;
pub mod specification;
pub mod backoff;
pub mod recipients;
pub mod message;
pub mod plan;
pub mod report;
pub mod preview;

// The edges: each talks to one thing outside.
pub mod clock;
pub mod local_time;
pub mod private_file;
pub mod ledger;
pub mod attachment;
pub mod notify;
pub mod livedesk;
pub mod pace;
pub mod run;
pub mod track;
pub mod sandbox;

// The use case.
pub mod campaign;

// Outside: what people see.
pub mod stdio;
pub mod run_log;
pub mod metrics;
pub mod progress;
pub mod cli;

// What a program needs that runs a campaign.
pub use campaign::{
    Answer, Campaign, CampaignError, Confirmed, Inputs, Notice, Operator, Options, Outcome, Question, Sent, open,
};
