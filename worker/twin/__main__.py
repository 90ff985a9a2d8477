"""`python -m worker.twin`: the local Stripe alone."""

import argparse

from worker.twin.server import TwinSettings, serve


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m worker.twin", description="A local Stripe. No real money."
    )
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=0, help="ids repeat for the same seed")
    parser.add_argument("--now", type=int, help="start of the clock, Unix seconds")
    parser.add_argument("--webhook-url", help="deliver every event here")
    parser.add_argument("--webhook-secret", help="sign the deliveries to --webhook-url with it")
    parser.add_argument(
        "--persist", dest="persist_path", help="load the state from this file and save it at the end"
    )
    serve(TwinSettings(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
