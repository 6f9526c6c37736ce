#!/usr/bin/env bash
# A worker for jobs in Redis that needs no Python: bash, redis-cli 7 and coreutils. docs/jobs-redis.md has the protocol.
#
#   worklist.sh work PREFIX QUEUE                          works off jobs until it gets SIGTERM
#   worklist.sh put PREFIX QUEUE OPERATION ARGUMENTS       puts a job in and prints its id: put batfriend shell nap '{"seconds": 1}'
#
# REDIS_URL says where Redis is, WORKLIST_LUA in which folder the scripts of mergepoint.redis are.
set -euo pipefail

url=${REDIS_URL:-redis://127.0.0.1:6379/0}
lua=${WORKLIST_LUA:-$(dirname "$0")/../../src/mergepoint/redis/lua}
prefix="{$2}:" queue=$3
worker="$(uname -n):$$"
lease=25
declare -A digest

# --- the jobs that it can run: arguments as JSON in, result as JSON out, the last line of stderr tells a failure ---

run() {
  local operation=$1 arguments=$2
  case $operation in
    count_words) json "$arguments" text | wc -w ;;
    nap) sleep "$(json "$arguments" seconds)" && echo null ;;
    *) echo "This worker does not know $operation." >&2; return 1 ;;
  esac
}

# --- Redis ---

redis() { redis-cli -u "$url" --no-auth-warning --raw -e "$@"; }

# Prints one value of a JSON text: json TEXT NAME DEFAULT. Redis reads JSON, so nothing else has to.
json() {
  redis EVAL 'local value = cjson.decode(ARGV[1])[ARGV[2]]
    if value == nil then return ARGV[3] end
    return type(value) == "table" and cjson.encode(value) or tostring(value)' 0 "$1" "$2" "${3:-}"
}

load() {
  local parts=("$lua/common.lua") name=$1
  [ "$name" != put ] || parts+=("$lua/putting.lua")
  digest[$name]=$(cat "${parts[@]}" "$lua/$name.lua" | redis -x SCRIPT LOAD)
}

# Runs a script: script NAME ARGUMENTS...; once more when Redis has forgotten it, as after a restart.
script() {
  local name=$1 answer
  shift
  answer=$(redis EVALSHA "${digest[$name]}" 1 "$prefix" "$@" 2>&1) || {
    case $answer in *NOSCRIPT*) ;; *) echo "$answer" >&2; return 1 ;; esac
    load "$name" > /dev/null
    answer=$(redis EVALSHA "${digest[$name]}" 1 "$prefix" "$@")
  }
  printf '%s\n' "$answer"
}

# --- working off ---

settle() { # id token verdict delay result attempt
  script claim "$worker" 0 0 0 "$@" > /dev/null
}

# Gives signs of life for a job, and ends it when it is lost or somebody wants it to stop; ends with this worker.
keep() { # id token process
  while sleep $((lease / 3)) && kill -0 $$ 2> /dev/null; do
    [ -z "$(script extend "$lease" "$1" "$2" | tr -d '\n')" ] || kill "$3" 2> /dev/null
  done
}

attempt() { # number began message
  redis EVAL 'return cjson.encode({number = tonumber(ARGV[1]), worker = ARGV[2], began = tonumber(ARGV[3]),
    seconds = redis.call("TIME")[1] - ARGV[3], outcome = "failed", code = "unknown", message = ARGV[4]})' \
    0 "$1" "$worker" "$2" "$3"
}

work_off() { # id token attempts failures message
  local id=$1 token=$2 failures=$4 message=$5 began process keeper result retries verdict=retry
  began=$(date +%s)
  run "$(json "$message" operation)" "$(json "$message" arguments '{}')" > "$scratch/result" 2> "$scratch/errors" &
  process=$!
  keep "$id" "$token" "$process" > /dev/null 2>&1 &
  keeper=$!
  if wait "$process"; then
    settle "$id" "$token" done 0 "$(cat "$scratch/result")" ''
  else
    retries=$(json "$message" retries 5)
    [ "$failures" -lt "$retries" ] || verdict=dead
    result=$(attempt "$3" "$began" "$(tail -n 1 "$scratch/errors")")
    settle "$id" "$token" "$verdict" $((2 ** failures)) '' "$result"
  fi
  kill "$keeper" 2> /dev/null || true
}

await() {
  local due wait=2000
  script recover 5 > /dev/null || return 1 # the jobs of dead workers
  due=$(script next "$queue") || return 1
  [ "$due" -lt 0 ] || [ $((due / 1000)) -gt $wait ] || wait=$((due / 1000 + 1))
  redis BLPOP "${prefix}bell:$queue" "$((wait / 1000)).$(printf %03d $((wait % 1000)))" > /dev/null
}

work() {
  local claim
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  trap 'stopping=1' TERM INT
  for name in claim extend next recover; do load "$name"; done
  until [ -n "${stopping:-}" ]; do
    # what Redis cannot be asked now is asked again: a job that was claimed meanwhile comes back when its lease is over
    mapfile -t claim < <(script claim "$worker" 1 "$lease" 1 "$queue" '' '')
    if [ "${#claim[@]}" -ge 5 ]; then
      work_off "${claim[@]:0:5}" || sleep 1
    else
      await || sleep 1
    fi
  done
}

# --- putting in ---

put() { # operation arguments
  local id
  id=$(date +%s%3N | { read -r now; printf '%011x' "$now"; })$(od -An -N7 -tx1 /dev/urandom | tr -d ' \n' | cut -c 1-13)
  load put
  script put "$(printf '{"id":"%s","operation":"%s","arguments":%s,"queue":"%s","created":%s}' \
    "$id" "$1" "$2" "$queue" "$(date +%s)")" > /dev/null
  echo "$id"
}

case $1 in
  work) work ;;
  put) put "$4" "$5" ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
