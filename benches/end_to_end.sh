#!/usr/bin/env bash
# Whole processes on one machine: messages a second against `wrk`, then time and memory for a list of a million rows.
# Run it as `benches/end_to_end.sh [ROWS [MESSAGES]]`; without arguments 1000000 and 100000, which takes about seven minutes.
# On a fresh Debian: apt-get install nginx-light wrk time sqlite3 jq iproute2, and a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${1:-1000000}
messages=${2:-100000}
rounds=3
seconds=4 # of each round of wrk
port=
export PATH=$PATH:/usr/sbin LIVEDESK_API_KEY=key LIVEDESK_API_SECRET=secret

target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet
rows_bench=$(cargo bench --quiet --bench rows --no-run --message-format=json |
  jq -r 'select(.target.name == "rows") | .executable // empty')
campaign=$(realpath "$target/release/campaign")
# Beside the build and not in /tmp, which may be in memory: the ledger is flushed to a disk.
work=$(mktemp -d "$(realpath "$target")/end_to_end.XXXXXX")
server=
stop_server() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
}
trap 'stop_server; rm -rf "$work"' EXIT

# --- the tools of this script ---------------------------------------------------------------------------------------

# The middle one of the numbers on standard input.
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# Runs a command and prints its seconds and its peak of memory in MB.
measured() {
  if ! /usr/bin/time -o "$work/time" -f '%e %M' "$@" >"$work/out" 2>"$work/err"; then
    cat "$work/err" "$work/time" >&2
    return 1
  fi
  awk '{ printf "%s %.0f\n", $1, $2 * 1024 / 1e6 }' "$work/time"
}

# A folder with a spec for the server at hand, a concurrency and a list.
folder() {
  mkdir -p "$work/$1"
  sed "s|http://127.0.0.1:9|http://127.0.0.1:${port:-9}|; s|concurrency: 16|concurrency: $2|" \
    benches/campaign.yaml >"$work/$1/campaign.yaml"
  ln -sf "$3" "$work/$1/list.csv"
}

# Runs a campaign from the beginning. Prints messages a second while sending, then seconds and MB of the whole command.
run_once() {
  # The product refuses to begin anew beside the reports of an earlier run.
  rm -rf "$work/$1/.campaign" "$work/$1/reports"
  local whole speed
  whole=$(measured "$campaign" run "$work/$1/campaign.yaml" --yes)
  speed=$(sqlite3 "$work/$1/.campaign/benchmark.sqlite" \
    "SELECT CAST(count(*) * 1000.0 / (max(settled_at) - min(claimed_at)) AS INTEGER) FROM delivery WHERE state = 'accepted'")
  echo "$speed $whole"
}

# A port on which nobody answers: what is measured here must never reach a server of somebody else.
choose_port() {
  for port in $(shuf -i 20000-30000 -n 100); do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
  done
  echo "no free port" >&2
  return 1
}

# Waits until the server that was started here listens, and makes sure that it is that one.
wait_for_server() {
  for _ in $(seq 100); do
    if ss -ltnpH "sport = :$port" | grep -q "pid=$server,"; then return 0; fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "the server did not start on port $port" >&2
  return 1
}

start_nginx() {
  choose_port
  mkdir -p "$work/nginx"
  cat >"$work/nginx/nginx.conf" <<CONF
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:$port reuseport;
    default_type application/json;
    # An id of its own for each conversation: the same one twice would be an answer about another recipient's message.
    location ~ /conversations/(\d+)/ { return 200 '{"id": \$1, "status": "sent"}'; }
  }
}
CONF
  nginx -p "$work/nginx" -c nginx.conf -e stderr &
  server=$!
  wait_for_server
}

start_sandbox() {
  choose_port
  "$campaign" sandbox --listen "127.0.0.1:$port" >/dev/null 2>&1 &
  server=$!
  wait_for_server
}

wrk_once() {
  wrk -t2 -c"$1" -d"${seconds}s" -s "$work/post.lua" "http://127.0.0.1:$port" >"$work/wrk"
  if grep -q 'Non-2xx\|Socket errors' "$work/wrk"; then cat "$work/wrk" >&2; fi
  awk '/Requests\/sec/ { printf "%.0f\n", $2 }' "$work/wrk"
}

# --- the list, and a request as it leaves, for wrk --------------------------------------------------------------------

"$rows_bench" list "$rows" >"$work/list.csv"
head -n $((messages + 1)) "$work/list.csv" >"$work/short.csv"
folder check 16 "$work/list.csv"
folder first 16 "$work/short.csv"
"$campaign" run "$work/first/campaign.yaml" --dry-run --preview 1 --format json 2>/dev/null |
  head -n 1 | jq -c '.requests[0]' >"$work/request.json"
cat >"$work/post.lua" <<LUA
wrk.method = "POST"
wrk.path = "$(jq -r .path "$work/request.json")"
wrk.body = [==[$(jq -c .body "$work/request.json")]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Basic $(printf key:secret | base64)"
LUA

# --- messages a second --------------------------------------------------------------------------------------------------

echo "messages a second, $messages messages, durable ledger, no limits; medians of $rounds"
printf '  %-9s%10s%12s%12s%8s%18s\n' server in-flight wrk campaign ratio 'with list+report'
for kind in nginx sandbox; do
  for concurrency in 16 64; do
    rm -f "$work"/{floor,speeds,whole}
    for _ in $(seq "$rounds"); do
      # A new server each time: the sandbox keeps what it is sent, and lets 200 messages a minute into a conversation.
      if [ "$kind" = nginx ]; then
        start_nginx
        wrk_once "$concurrency" >>"$work/floor"
      else
        start_sandbox
      fi
      folder send "$concurrency" "$work/short.csv"
      read -r speed took _ < <(run_once send)
      stop_server
      echo "$speed" >>"$work/speeds"
      awk -v n="$messages" -v s="$took" 'BEGIN { printf "%.0f\n", n / s }' >>"$work/whole"
    done
    speed=$(median <"$work/speeds")
    floor=- of_floor=-
    if [ -s "$work/floor" ]; then
      floor=$(median <"$work/floor")
      of_floor=$(ratio "$speed" "$floor")
    fi
    printf '  %-9s%10s%12s%12s%8s%18s\n' "$kind" "$concurrency" "$floor" "$speed" "$of_floor" "$(median <"$work/whole")"
  done
done

# --- a million rows -----------------------------------------------------------------------------------------------------

echo
echo "a list of $rows rows and 8 columns; medians of $rounds (the run: once)"
printf '  %-34s%10s%14s%8s%10s\n' command seconds 'us per row' ratio 'peak MB'
for _ in $(seq "$rounds"); do
  "$rows_bench" bare "$work/list.csv" >>"$work/bare"
  measured "$campaign" check "$work/check/campaign.yaml" >>"$work/checks"
  measured "$campaign" run "$work/check/campaign.yaml" --dry-run --preview 1 >>"$work/dry-runs"
done
floor=$(median <"$work/bare")
line() { # name, seconds, MB
  printf '  %-34s%10s%14s%8s%10s\n' "$1" "$2" "$(awk -v s="$2" -v n="$rows" 'BEGIN { printf "%.2f", s * 1e6 / n }')" \
    "$(ratio "$2" "$floor")" "$3"
}
# The peak is the largest of all rounds.
largest() { awk '{ print $2 }' "$1" | sort -n | tail -n 1; }
line 'csv and minijinja, bare' "$floor" -
line 'campaign check' "$(awk '{ print $1 }' "$work/checks" | median)" "$(largest "$work/checks")"
line 'campaign run --dry-run --preview 1' "$(awk '{ print $1 }' "$work/dry-runs" | median)" "$(largest "$work/dry-runs")"
start_nginx
folder check 16 "$work/list.csv"
read -r speed took peak < <(run_once check)
stop_server
line 'campaign run, 16 in flight, nginx' "$took" "$peak"
echo "  (while sending: $speed messages a second)"
