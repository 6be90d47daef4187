"""Is the sandbox fast enough not to be what is measured? Seeding, memory, pages and a day, with a million customers.

    python benchmarks/sandbox_speed.py [--small]

Pages are timed inside the server, from the parsed request to the bytes of the answer. To reach with a million
customers: seeded in 60 s and 3 GB, a page of 100 customers in 2 ms.
"""

import argparse
import resource
import statistics
import time

import orjson

from stripe_cio_pipeline.sandbox import Clock, StripeAccount, StripeSwitches
from stripe_cio_pipeline.sandbox.stripe import PINNED_VERSION
from stripe_cio_pipeline.sandbox.stripe.answers import Answers, Call

START = 1_790_000_000
LISTS = (
    ("/v1/customers", ""),
    ("/v1/customers", "&expand[]=data.invoice_settings.default_payment_method"),
    ("/v1/subscriptions", "&status=all&expand[]=data.discounts"),
    ("/v1/invoices", ""),
    ("/v1/charges", ""),
    ("/v1/events", ""),
)


def page_milliseconds(answers: Answers, path: str, query: str, pages: int) -> list[float]:
    cursor, spent = "", []
    for _ in range(pages):
        call = Call("GET", path, f"limit=100{query}{cursor}".encode(), PINNED_VERSION, restricted=False)
        began = time.perf_counter()
        body = answers.answer(call, "")
        spent.append((time.perf_counter() - began) * 1000)
        page = orjson.loads(body)
        if not page["has_more"]:
            break
        cursor = f"&starting_after={page['data'][-1]['id']}"
    return spent


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="20,000 customers instead of a million")
    small = parser.parse_args().small
    customers = 20_000 if small else 1_000_000
    began = time.perf_counter()
    account = StripeAccount(StripeSwitches(), Clock(START), customers=customers)
    print(f"{customers:,} customers seeded in {time.perf_counter() - began:.1f} s, {megabytes():,.0f} MB at most")
    answers = Answers(account)
    for path, query in LISTS:
        spent = page_milliseconds(answers, path, query, 20 if small else 300)
        print(f"page of 100: {statistics.median(spent):5.2f} ms (median of {len(spent)})  {path}{query}")
    began = time.perf_counter()
    account.clock.advance(days=1)
    events = sum(event["created"] > START for event in account.events())
    print(f"a day with {events:,} events lived in {time.perf_counter() - began:.1f} s, {megabytes():,.0f} MB at most")


if __name__ == "__main__":
    main()
