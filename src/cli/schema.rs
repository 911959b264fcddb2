//! `campaign schema`.

use super::args::{Schema, SchemaArgs};
use super::exit::Exit;
use super::json_results::{self, CampaignStatus, RunResult, TrackResult};
use super::output::Output;
use crate::report::Record;
use crate::run_log::LogLine;
use crate::specification::Spec;

pub(super) fn schema(args: &SchemaArgs, output: &Output) -> Exit {
    let schema = match args.of {
        Schema::Campaign => Spec::json_schema(),
        Schema::Report => Record::json_schema(),
        Schema::Events => LogLine::json_schema(),
        Schema::Run => RunResult::json_schema(),
        Schema::Status => CampaignStatus::json_schema(),
        Schema::Track => TrackResult::json_schema(),
        Schema::Doctor => json_results::doctor_schema(),
    };
    output.result(&serde_json::to_string_pretty(&schema).unwrap_or_default());
    Exit::Done
}
