"""Runs the same work on Arbalest and its yardsticks, interleaved, and prints medians and ratios."""

import argparse
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))

import arbalest
import catalog
import latency
import memory
import spill
import throughput
import tpch
import write

PARTS = ["tpch", "latency", "throughput", "memory", "write", "catalog", "spill"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, action="append", help="TPC-H scale, may be repeated [1]")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each query on each engine [3]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every engine [all]")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--engines", default=",".join(tpch.ENGINES), help=f"some of {','.join(tpch.ENGINES)}")
    parser.add_argument("--queries", default="1-22", help="numbers and ranges of TPC-H queries")
    parser.add_argument("--data-dir", type=pathlib.Path, help="keeps the generated tables between runs")
    parser.add_argument("--datafusion", action="append", help="KEY=VALUE instead of the best known options, may be repeated")
    parser.add_argument("--arbalest", action="append", default=[], help="further argument of arbalest serve, may be repeated")
    arguments = parser.parse_args()
    start = pathlib.Path(os.environ.get("ARBALEST_BENCHMARK_DIRECTORY", "."))
    parts = arguments.parts.split(",")
    report = Report()
    for scale in arguments.scale or [1]:
        data_directory = arguments.data_dir and start / arguments.data_dir / f"tpch-{scale:g}"
        if data_directory:
            data_directory.mkdir(parents=True, exist_ok=True)
        flags = ["--sample", f"tpch={scale:g}", "--vcores", str(arguments.threads), *arguments.arbalest]
        with arbalest.Server(*flags, data_directory=data_directory) as server:
            if "tpch" in parts:
                tpch.measure(server, scale, arguments, report)
            if "latency" in parts:
                latency.measure(server, report)
            if "throughput" in parts:
                throughput.measure(server, report)
            if "memory" in parts:
                memory.measure(server, report)
            if "write" in parts:
                write.measure(server, arguments, report)
            if "catalog" in parts:
                catalog.measure(server, report)
        if "spill" in parts:
            spill.measure(scale, flags, data_directory, report)
    return report


class Report:
    """Markdown on standard output, as it comes."""

    def title(self, text):
        print(f"\n### {text}\n", flush=True)

    def table(self, header, rows):
        widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
        for number, row in enumerate([header, ["-" * width for width in widths], *rows]):
            print("| " + " | ".join(str(cell).rjust(width) for cell, width in zip(row, widths)) + " |")
        sys.stdout.flush()

    def progress(self, text):
        print(text, file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


if __name__ == "__main__":
    main()
