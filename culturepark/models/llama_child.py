"""Runs llama.cpp's server in a process of its own: `python -P llama_child.py`.

Reads one line of JSON from stdin, and writes one line of JSON with its address to stdout. It ends when stdin closes, so
it never outlives its parent.
"""

import os

# Before the import: with spinning threads, throughput falls up to tenfold on busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import json
import signal
import sys

import xllamacpp


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C, and lets calls in flight finish
    settings = json.loads(sys.stdin.readline())
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["token"]]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    params.cpuparams.n_threads = settings["threads"]
    # The server keeps prompts that left their slot here, and finds them again by their tokens alone: what was read with
    # one adapter would serve another (llama.cpp issue 26207). Within a slot it does tell adapters apart.
    params.cache_ram_mib = 0 if settings["adapters"] else settings["cache_mib"]
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in settings["adapters"]]
    params.lora_init_without_apply = True
    params.endpoint_slots = False
    params.cors_origins = ""
    server = xllamacpp.Server(params)
    for path, stamp in settings["stamps"].items():
        is_now = os.stat(path)
        if stamp != [is_now.st_dev, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns, is_now.st_ctime_ns]:
            print("error: the weights were changed after they were checked; run it again", file=sys.stderr, flush=True)
            os._exit(1)
    print(json.dumps({"address": server.listening_address}), flush=True)
    sys.stdin.read()
    os._exit(0)  # the server's threads have nothing to save


if __name__ == "__main__":
    main()
