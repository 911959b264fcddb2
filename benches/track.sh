#!/usr/bin/env bash
# What following messages costs: requests a message, the rate of reads, and memory, against `campaign sandbox`; then a round in
# which nothing is left to look at. Run it as `benches/track.sh [MESSAGES [FINAL]]`; without arguments 100000 and 1000000, which
# takes about fifteen minutes. On a fresh Debian: apt-get install time sqlite3 jq python3, and a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

messages=${1:-100000}
final=${2:-1000000}
reads=400     # a second at most, `track.requests`
followed=5000 # messages that are followed while they are sent
rate=20       # a second
export LIVEDESK_API_KEY=key LIVEDESK_API_SECRET=secret

target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet --locked
campaign=$(realpath "$target/release/campaign")
# Beside the build and not in /tmp, which may be in memory.
work=$(mktemp -d "$(realpath "$target")/track.XXXXXX")
server=
stop_server() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
}
trap 'stop_server; rm -rf "$work"' EXIT

# Starts a sandbox with this script. Its address is in $url.
start_sandbox() {
  echo "$1" >"$work/script.yaml"
  rm -f "$work/journal.jsonl"
  mkfifo "$work/address"
  "$campaign" sandbox --listen 127.0.0.1:0 --script "$work/script.yaml" --journal "$work/journal.jsonl" \
    >"$work/address" 2>/dev/null &
  server=$!
  read -r url <"$work/address"
  rm "$work/address"
}

# A folder with a spec and a list of so many contacts of one inbox; more settings of `send`.
folder() {
  mkdir -p "$work/$1"
  { echo id; seq 1000001 $((1000000 + $2)); } >"$work/$1/list.csv"
  spec "$1" campaign "{ inbox_id: '79', contact_id: '{{ id }}' }" "$3"
}

spec() {
  cat >"$work/$1/$2.yaml" <<SPEC
name: benchmark
recipients: list.csv
livedesk: { base_url: "$url" }
to: $3
message: { content: "Hi {{ id }}" }
send: { requests: unlimited, concurrency: 64, $4 }
track: { requests: $reads/s }
SPEC
}

# Runs a command that tracks. Prints its requests a message, the most reads within a second, its seconds and its peak of memory.
measured() {
  local name=$1 count=$2 before code=0
  shift 2
  before=$(wc -l <"$work/journal.jsonl")
  /usr/bin/time -o "$work/time" -f '%e %M' "$@" >"$work/out" 2>"$work/err" || code=$?
  if [ "$code" != 0 ] && [ "$code" != 7 ]; then
    cat "$work/out" "$work/err" >&2
    return 1
  fi
  tail -n "+$((before + 1))" "$work/journal.jsonl" | jq -r 'select(.method == "GET") | .t_us' | sort -n >"$work/reads"
  awk -v name="$name" -v count="$count" '
    NR == FNR { if ($1 ~ /^[0-9.]+$/) { seconds = $1; mb = $2 * 1024 / 1e6 } next }
    { at[FNR] = $1; while (at[FNR] - at[first + 1] >= 1000000) first++; if (FNR - first > most) most = FNR - first }
    END { printf "  %-34s%10d%12.4f%12d%10.1f%10.1f\n", name, FNR, FNR / count, most, seconds, mb }' \
    "$work/time" "$work/reads"
}

# --- all messages at once -------------------------------------------------------------------------------------------------

echo "following $messages messages at track.requests = $reads/s"
printf '  %-34s%10s%12s%12s%10s%10s\n' way reads 'a message' 'most in 1 s' seconds 'peak MB'
start_sandbox 'receipts: [{ after: 1ms, every: 1ms }]'
folder sent "$messages" 'rate: unlimited'
"$campaign" run "$work/sent/campaign.yaml" --yes >/dev/null 2>&1
cp -r "$work/sent/.campaign" "$work/ledger"
anew() {
  rm -rf "$work/sent/.campaign"
  cp -r "$work/ledger" "$work/sent/.campaign"
}
measured "the inbox's list" "$messages" "$campaign" track "$work/sent/campaign.yaml" --now
anew
# Without an inbox in the spec there is no list to read.
spec sent single "{ conversation_id: '{{ id }}' }" 'rate: unlimited'
measured 'each conversation' "$messages" "$campaign" track "$work/sent/single.yaml" --now
stop_server

# --- while they are sent --------------------------------------------------------------------------------------------------

start_sandbox 'receipts: [{ after: 5s, every: 20s }]'
folder followed "$followed" "rate: $rate/s"
# What the run itself reads of its own messages is not what is measured here.
sed 's|^track:.*|track: { requests: 1/h }|' "$work/followed/campaign.yaml" >"$work/followed/run.yaml"
"$campaign" run "$work/followed/run.yaml" --yes --limit 1 >/dev/null 2>&1
"$campaign" run "$work/followed/run.yaml" --yes >/dev/null 2>&1 &
run=$!
follow() {
  # It ends when nothing is open, which is so for a moment whenever all that were sent have arrived.
  while kill -0 "$run" 2>/dev/null; do "$campaign" track "$work/followed/campaign.yaml" --follow || true; done
  "$campaign" track "$work/followed/campaign.yaml" --follow
}
export -f follow
export campaign work run
measured "what changed ($followed at $rate/s)" "$followed" bash -c follow
wait "$run"
stop_server

# --- nothing to look at ---------------------------------------------------------------------------------------------------

start_sandbox ''
folder final 1 'rate: unlimited'
"$campaign" run "$work/final/campaign.yaml" --yes >/dev/null 2>&1
python3 - "$work/final/.campaign/benchmark.sqlite" "$final" <<'PYTHON'
"""Makes a ledger of so many messages that were read, by copying the one that it has."""
import sqlite3, struct, sys, zlib

def checksum(*values):
    parts = b""
    for value in values:
        kind, data = (0, b"") if value is None else (1, struct.pack("<q", value)) if isinstance(value, int) \
            else (3, value.encode())
        parts += bytes([kind]) + struct.pack("<Q", len(data)) + data
    return zlib.crc32(parts)

ledger = sqlite3.connect(sys.argv[1])
ledger.create_function("checksum", -1, checksum, deterministic=True)
names = [row[1] for row in ledger.execute("PRAGMA table_info(delivery)")]
others = ", ".join(f'"{name}"' for name in names if name not in ("id", "key", "line"))
ledger.execute(f"""WITH RECURSIVE more (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM more WHERE n < {int(sys.argv[2])})
    INSERT INTO delivery (id, key, line, {others})
    SELECT n, 'key-' || n, n + 1, {others} FROM more, (SELECT {others} FROM delivery WHERE id = 1)""")
ledger.execute("UPDATE receipt SET status = 'read', status_at = accepted_at, checked_at = accepted_at, look_at = NULL")
ledger.commit()
PYTHON
for round in first second; do
  measured "$final final ones, $round round" "$final" "$campaign" track "$work/final/campaign.yaml" --now
done
