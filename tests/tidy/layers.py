"""The layer rule: every #include is allowed by the table in docs/ARCHITECTURE.md.

A module may include itself and what stands right of its colon; `<x` fences a third-party or system
header to the modules named.
"""

import re

import sources

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


class Table:
    def __init__(self, block):
        self.allowed, self.fences = {}, {}
        for line in block.splitlines():
            left, _, right = line.strip().partition(":")
            if not left:
                continue
            target = self.fences if left.startswith("<") else self.allowed
            target[left.lstrip("<")] = set(right.split())

    def module_of(self, path):
        """The longest module whose folder holds the path; None outside all."""
        best = None
        for module in self.allowed:
            if path.startswith(module + "/") and (best is None or len(module) > len(best)):
                best = module
        return best

    def violations(self, path, text):
        module = self.module_of(path)
        if module is None:
            return [f"{path}: in no module of the layer table"]
        found = []
        for own, system in INCLUDE.findall(text):
            if own and "/" in own and not own.endswith(".pb.h"):
                found += self._own(path, module, own)
            elif own.endswith(".pb.h"):
                found += self._own(path, module, own) if own.startswith("api/proto/") else []
            elif system:
                found += self._system(path, module, system)
        return found

    def _own(self, path, module, include):
        target = self.module_of(include)
        if target is None:
            # Third-party headers in quotes, such as "absl/...", are no module of ours.
            return []
        permitted = self.allowed[module]
        if target == module or "*" in permitted or target in permitted:
            return []
        return [f"{path}: {module} may not include {include} ({target})"]

    def _system(self, path, module, include):
        for prefix, modules in self.fences.items():
            if (include + ">" == prefix + ">" or include.startswith(prefix)) and module not in modules:
                exact = not prefix.endswith("/") and include != prefix
                if not exact:
                    return [f"{path}: {module} may not include <{include}>"]
        return []

    def cycle(self):
        """A list of modules that include each other in a ring, or None."""
        done, path = set(), []

        def walk(module):
            if module in path:
                return path[path.index(module):] + [module]
            if module in done or module not in self.allowed:
                return None
            path.append(module)
            for other in sorted(self.allowed[module] - {"*"}):
                ring = walk(other)
                if ring:
                    return ring
            path.pop()
            done.add(module)
            return None

        for module in sorted(self.allowed):
            ring = walk(module)
            if ring:
                return ring
        return None


def read_table():
    block = re.search(r"```layers\n(.*?)```", sources.text("docs/ARCHITECTURE.md"), re.S)
    return Table(block.group(1))
