"""Rules on the tree as a whole, as functions from what the tree holds to a set of complaints."""

import re


def headless(names):
    """Sources without a header of their own name beside them."""
    headers = {n for n in names if n.endswith(".h")}
    return [n for n in names if n.endswith(".cc") and n[:-3] + ".h" not in headers]


def unused_headers(texts, include):
    """Headers that nothing includes; `texts` is path -> text, `include` the pattern of an #include."""
    included = {own for text in texts.values() for own, _ in include.findall(text) if own}
    return {n for n in texts if n.endswith(".h")} - included


def folder_map(page, folders, tracked):
    """Folders with sources which the page's table lacks, and rows without a folder."""
    listed = set(re.findall(r"^\| `([a-z/_0-9]+)`", page, re.M))
    return (folders - listed) | {f for f in listed if not any(t.startswith(f + "/") for t in tracked)}


def matrix(protos, page):
    """Methods of the contract without a row of the matrix, and rows without a method."""
    rpcs = set()
    for text in protos:
        package = re.search(r"^package ([\w.]+);", text, re.M).group(1)
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S):
            rpcs |= {f"{package}.{service}/{m}" for m in re.findall(r"rpc (\w+)", body)}
    rows = set(re.findall(r"^\| ([\w.]+/\w+) \|", page, re.M))
    return {r for r in rpcs if not r.startswith("grpc.testing")} ^ rows


def suites(table, page):
    """Suites of the runner that the page on testing does not list, and the other way round."""
    names = set(re.findall(r'Suite\("([\w-]+)"', table))
    return names ^ set(re.findall(r"^\| `([\w-]+)` \|", page, re.M))
