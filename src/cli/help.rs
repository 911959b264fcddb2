//! The end of each help page: examples, and for `run` the exit codes.

pub(super) const CAMPAIGN: &str = "\
Examples:
  campaign init hello                          write a first spec and its list
  campaign run hello/campaign.yaml --dry-run   see what would be sent
  campaign run hello/campaign.yaml --sandbox   rehearse it
  campaign run hello/campaign.yaml             send it";

pub(super) const RUN: &str = "\
Examples:
  campaign run order_update.yaml --dry-run        show what would be sent, and send nothing
  campaign run order_update.yaml --dry-run --report plan.csv    write what would be done with each row, and why
  campaign run order_update.yaml --proof-to phone_number=+4915112345678
                                                  send the first message to yourself
  campaign run order_update.yaml --limit 10       send to the first ten
  campaign run order_update.yaml                  send to the rest
  campaign run order_update.yaml --retry-failed   and once more to recipients who failed

Exit codes:
  0    all done; also when nothing was left to do
  1    the environment failed: file, ledger, server, credentials
  2    the spec, the list or the command line is wrong; nothing was sent
  3    finished, some failed
  4    finished, some unknown
  5    stopped, and a person must look: canary, stop_when, not_after
  6    this campaign is already running
  7    nothing is wrong, run it again later: a quota, a window or not_before, with --no-wait
  130  interrupted or cancelled; can be continued";

pub(super) const CHECK: &str = "\
Examples:
  campaign check order_update.yaml
  campaign check campaigns/                            every spec in a folder
  campaign check campaigns/ --no-list --format github  in a repository without customer data";

pub(super) const DOCTOR: &str = "\
Examples:
  campaign doctor order_update.yaml
  campaign doctor order_update.yaml --format json

Exit codes:
  0  nothing was found that would make the campaign fail
  1  the campaign would fail: credentials, inbox, template
  2  the spec, the list or the command line is wrong";

pub(super) const STATUS: &str = "\
Examples:
  campaign status order_update.yaml
  campaign status order_update.yaml --watch
  campaign status campaigns/                   every campaign of a folder, in a table
  campaign status order_update.yaml --format json

Exit codes: those that `campaign run` would end with so far, and 8 if nothing was run yet";

pub(super) const STOP: &str = "\
Examples:
  campaign stop order_update.yaml
  campaign stop order_update.yaml --ledger postgres://db.example.com/campaigns    all workers

Exit codes:
  0    nobody is at work any more
  1    a run cannot be reached from here, or the ledger cannot be read
  130  interrupted while waiting; the runs stop all the same";

pub(super) const TRACK: &str = "\
Examples:
  campaign track order_update.yaml
  campaign track order_update.yaml --now --follow
  campaign track order_update.yaml --listen 0.0.0.0:8026

Exit codes:
  0    every accepted message was delivered, read, or without a receipt until `track.until`
  1    receipts cannot be read: server, credentials, ledger
  3    the same, and some were not delivered
  7    some are still open: run it again later
  130  interrupted";

pub(super) const REPORT: &str = "\
Examples:
  campaign report order_update.yaml -o result.html
  campaign report order_update.yaml --with-columns -o list-and-results.csv
  campaign report order_update.yaml --only failed --only unknown -o -
  campaign report order_update.yaml --only opted-out -o opted-out.csv";

pub(super) const RESOLVE: &str = "\
Examples:
  campaign resolve order_update.yaml --key 4711 --sent --note \"seen in LiveDesk\"
  campaign resolve order_update.yaml --all --not-sent
  campaign resolve order_update.yaml --by-evidence
  campaign resolve order_update.yaml --by-evidence --yes

Exit codes of --by-evidence:
  0    nothing is unknown any more
  1    conversations cannot be read: server, credentials, ledger
  4    some are still unknown: nothing evident was found of them, or nobody confirmed
  6    this campaign is running";

pub(super) const LEDGER: &str = "\
Examples:
  campaign ledger backup order_update.yaml
  campaign ledger recover order_update.yaml
  campaign ledger copy .campaign/order_update.sqlite postgres://db.example.com/campaigns";

pub(super) const BACKUP: &str = "\
Examples:
  campaign ledger backup order_update.yaml
  campaign ledger backup order_update.yaml -o /backup/order_update.sqlite";

pub(super) const RECOVER: &str = "\
Examples:
  campaign ledger recover order_update.yaml
  campaign ledger recover order_update.yaml -o recovered.sqlite --report recovered.csv";

pub(super) const COPY: &str = "\
Examples:
  campaign ledger copy .campaign/order_update.sqlite postgres://db.example.com/campaigns
  campaign ledger copy postgres://db.example.com/campaigns order_update.sqlite --campaign order_update";

pub(super) const SANDBOX: &str = "\
Examples:
  campaign sandbox
  campaign sandbox --listen 127.0.0.1:0 --script outage.yaml --journal journal.jsonl";

pub(super) const SCHEMA: &str = "\
Examples:
  campaign schema > campaign.schema.json
  campaign schema report";

pub(super) const INIT: &str = "\
Examples:
  campaign init
  campaign init hello";

pub(super) const COMPLETIONS: &str = "\
Examples:
  campaign completions bash > ~/.local/share/bash-completion/completions/campaign
  campaign completions zsh > ~/.zfunc/_campaign
  campaign completions fish > ~/.config/fish/completions/campaign.fish";
