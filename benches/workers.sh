#!/usr/bin/env bash
# Four workers on one campaign, whose ledger is in PostgreSQL. At random they are killed, stopped, continued and restarted, and the
# database is restarted underneath. The judge is the journal of the server that they send to.
# Run it as `benches/workers.sh [MINUTES [SEED]]`; without arguments ten minutes. BUILD=debug takes the debug build.
# On a fresh Debian: apt-get install postgresql jq iproute2, and a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-10}
seed=${2:-$RANDOM}
RANDOM=$seed
workers=4
rate=100 # messages a second, of all workers together
people=$((minutes * 60 * rate * 9 / 10)) # more than they get to
build=${BUILD:-release}
export PATH=$PATH:/usr/sbin LIVEDESK_API_KEY=key LIVEDESK_API_SECRET=secret

target=${CARGO_TARGET_DIR:-target}
if [ "$build" = release ]; then cargo build --release --quiet; else cargo build --quiet; fi
campaign=$(realpath "$target/$build/campaign")
postgres=$(find /usr/lib/postgresql -name pg_ctl -printf '%h\n' | sort -V | tail -n 1)
work=$(mktemp -d /tmp/campaign-workers.XXXXXX)
data=$work/data

# A PostgreSQL server refuses to be root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

database() { as_postgres "$postgres/pg_ctl" -D "$data" -w -t 60 -l "$data/log" "$@" >/dev/null; }

sandbox=
declare -a process
clean_up() {
  for running in ${process[@]+"${process[@]}"}; do kill -CONT "$running" 2>/dev/null && kill -KILL "$running" 2>/dev/null || true; done
  [ -z "$sandbox" ] || kill "$sandbox" 2>/dev/null || true
  database -m immediate stop 2>/dev/null || true
  wait 2>/dev/null || true
  [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap clean_up EXIT

choose_port() {
  for port in $(shuf -i 20000-30000 -n 100); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
  done
  echo "no free port" >&2
  return 1
}

# --- the servers and the campaign ----------------------------------------------------------------------------------------

mkdir "$data"
[ "$(id -u)" != 0 ] || { chown postgres "$data"; chmod 755 "$work"; }
as_postgres "$postgres/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale -N >/dev/null
database_port=$(choose_port)
as_postgres tee -a "$data/postgresql.conf" >/dev/null <<CONF
port = $database_port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_preload_libraries = 'pg_stat_statements'
CONF
database start
ask() { "$postgres/psql" -h 127.0.0.1 -p "$database_port" -U postgres -d postgres -XAtqc "$1"; }
ask 'CREATE EXTENSION pg_stat_statements' 2>/dev/null || true

port=$(choose_port)
echo 'faults: [{ on: message, delay: 50ms }]' >"$work/script.yaml"
"$campaign" sandbox --script "$work/script.yaml" --listen "127.0.0.1:$port" --journal "$work/journal.jsonl" >/dev/null 2>"$work/sandbox.log" &
sandbox=$!

{
  echo conversation_id
  seq 1 "$people"
} >"$work/list.csv"
cat >"$work/campaign.yaml" <<SPEC
name: workers
recipients: list.csv
livedesk: { base_url: "http://127.0.0.1:$port" }
to: { conversation_id: "{{ conversation_id }}" }
message: { content: hello }
send: { rate: $rate/s, requests: unlimited, concurrency: 8 }
SPEC
export CAMPAIGN_LEDGER="postgres://postgres@127.0.0.1:$database_port/postgres?worker_timeout=5s"

# --- the trial ------------------------------------------------------------------------------------------------------------

declare -A ends
kills=0 stops=0 restarts=0 connections=0
started=0

start() {
  "$campaign" run "$work/campaign.yaml" --yes >>"$work/out.$1" 2>>"$work/err.$1" &
  process[$1]=$!
  started=$((started + 1))
}

# Starts a worker again that has ended by itself.
start_if_ended() {
  kill -0 "${process[$1]}" 2>/dev/null && return
  local code=0
  wait "${process[$1]}" || code=$?
  ends[$code]=$((${ends[$code]:-0} + 1))
  start "$1"
}

for worker in $(seq 0 $((workers - 1))); do start "$worker"; done
end=$((SECONDS + minutes * 60))
next_restart=$((SECONDS + 20))
while [ $SECONDS -lt $end ]; do
  sleep "0.$((RANDOM % 9 + 1))"
  worker=$((RANDOM % workers))
  case $((RANDOM % 8)) in
    0 | 1)
      kill -KILL "${process[$worker]}" 2>/dev/null && kills=$((kills + 1))
      wait "${process[$worker]}" 2>/dev/null || true
      start "$worker"
      ;;
    2)
      # For less or for more than the others wait for it.
      if kill -STOP "${process[$worker]}" 2>/dev/null; then
        stops=$((stops + 1))
        stopped=${process[$worker]}
        (sleep "$((RANDOM % 9)).5"; kill -CONT "$stopped" 2>/dev/null || true) &
      fi
      ;;
    3)
      ask "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'campaign' AND random() < 0.5" \
        >/dev/null 2>&1 && connections=$((connections + 1))
      ;;
  esac
  if [ $SECONDS -ge $next_restart ]; then
    if [ $((RANDOM % 2)) = 0 ]; then database -m immediate restart; else database -m fast restart; fi
    restarts=$((restarts + 1))
    next_restart=$((SECONDS + 25 + RANDOM % 30))
  fi
  for worker in $(seq 0 $((workers - 1))); do start_if_ended "$worker"; done
done

# --- the end --------------------------------------------------------------------------------------------------------------

# Those who are still at work finish what they have; then one run finishes the campaign.
for running in "${process[@]}"; do kill -CONT "$running" 2>/dev/null || true; kill -INT "$running" 2>/dev/null || true; done
for worker in $(seq 0 $((workers - 1))); do
  code=0
  wait "${process[$worker]}" || code=$?
  ends[$code]=$((${ends[$code]:-0} + 1))
done
process=()
sent_in_trial=$(jq -r 'select(.kind == "message") | 1' "$work/journal.jsonl" | wc -l)
"$campaign" run "$work/campaign.yaml" --yes >"$work/out.last" 2>"$work/err.last" || true

outcomes=$(ask "SELECT string_agg(count || ' ' || state, ', ' ORDER BY state) FROM (SELECT state, count(*) FROM campaign.delivery GROUP BY state) counted")
jq -r 'select(.kind == "message") | "\(.t_us) \(.path | split("/")[-2])"' "$work/journal.jsonl" >"$work/messages"
ask "SELECT key FROM campaign.delivery WHERE state = 'accepted'" | sort >"$work/accepted"
ask "SELECT key FROM campaign.delivery WHERE state IN ('accepted', 'unknown')" | sort >"$work/recorded"
awk '{ print $2 }' "$work/messages" | sort >"$work/arrived"
twice=$(uniq -d "$work/arrived" | wc -l)
# Lost is who is neither accepted nor unknown, and who is accepted and never arrived.
lost=$((people - $(wc -l <"$work/recorded") + $(uniq "$work/arrived" | comm -13 - "$work/accepted" | wc -l)))
unrecorded=$(uniq "$work/arrived" | comm -23 - "$work/recorded" | wc -l)
# When a message left is known of those whose answer was recorded; of the others it is when they arrived. The two clocks differ
# by what the fastest request took.
ask "SELECT key || ' ' || left_at * 1000 FROM campaign.delivery WHERE state = 'accepted'" >"$work/left"
awk 'NR == FNR { left[$1] = $2; next }
  $2 in left { late = $1 - left[$2]; if (least == "" || late < least) least = late; at[FNR] = left[$2]; next }
  { arrived[FNR] = $1 }
  END { for (n in at) printf "%.0f\n", at[n]; for (n in arrived) printf "%.0f\n", arrived[n] - least }' \
  "$work/left" "$work/messages" >"$work/departures"
# The most messages within any so many seconds.
most() { sort -n | awk -v window="$1" '
  { at[NR] = $1; while (at[NR] - at[first + 1] >= window * 1000000) first++; if (NR - first > most) most = NR - first }
  END { print most + 0 }'; }
left_in_1=$(most 1 <"$work/departures") left_in_10=$(most 10 <"$work/departures")
arrived_in_1=$(awk '{ print $1 }' "$work/messages" | most 1) arrived_in_10=$(awk '{ print $1 }' "$work/messages" | most 10)
codes=
for code in "${!ends[@]}"; do codes+=" $code (${ends[$code]})"; done

echo "$workers workers, $minutes minutes, seed $seed, $people recipients, limit $rate/s"
echo "  killed $kills, stopped $stops, connections cut $connections times, database restarted $restarts times, processes started $started"
echo "  sent in the trial  $sent_in_trial ($((sent_in_trial / (minutes * 60)))/s)"
echo "  outcomes           $outcomes"
echo "  most in 1 s, 10 s  left $left_in_1, $left_in_10; arrived $arrived_in_1, $arrived_in_10 (a server that is busy for a moment sees some together)"
echo "  exit codes        $codes"
echo "  twice $twice, lost $lost, arrived and not recorded $unrecorded"
[ "$twice" = 0 ] && [ "$lost" = 0 ] && [ "$unrecorded" = 0 ] && [ "$left_in_1" -le "$rate" ] && [ "$arrived_in_10" -le $((rate * 10)) ]
