"""Mutations of what all parts share: values, arrays, taps."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "_hooks.py",
        ("a copy writes too", "if module is self.module():", "if module is not None:"),
        ("a copy's hook stays", "table.pop(key, None)", "table.get(key, None)"),
        ("settings of hooks stay", "if name.startswith(kind):", "if name == kind:"),
    ),
    *of(
        "_layout.py",
        ("a descendant counts as its forefather", "-1 if type(giver) in _LAST and _sizes(giver) else None", "-1 if isinstance(giver, tuple(_LAST)) else None"),
        ("an axis that could be either", "if second in self.behind_n and last not in both:", "if second in self.behind_n:"),
        ("a last axis that could be either", "if last in self.last and second not in both:", "if last in self.last:"),
        ("the last axis is always averaged", 'features = pool.index("C")', "features = 1"),
        ("layouts of any length", "if output.ndim != len(pool):", "if output.ndim < 2:"),
        ("letters may stand twice", 'len(set(letters)) < len(letters)', "False"),
    ),
    *of(
        "taps.py",
        ("what is written into", "output.flatten(1).clone()", "output.flatten(1)"),
        ("features of the pass before", "def _forget(self, model: nn.Module, inputs: Any) -> None:\n        self._seen.clear()", "def _forget(self, model: nn.Module, inputs: Any) -> None:\n        pass"),
        ("a copied tap taps nothing", "if \"_forward_hooks\" in getattr(layer, \"__dict__\", ())", "if not layer"),
        ("never pooled", "if self.pool and (", "if False and ("),
    ),
    *of(
        "_values.py",
        ("bounds without effect", "(rule is None or rule.holds(taken))", "True"),
        ("refused in another's name", "who = type(args[0]).__name__ if constructs", "who = function.__qualname__ if constructs"),
        ("conversion without effect", "given.arguments[name] = converted(", "converted("),
        ("nothing is too large", "if size is not None and LARGEST < size < math.inf:", "if False:"),
        ("none is not told", "if or_none and size is None:", "if False:"),
        ("text first", "return 2 if kind is str else", "return -1 if kind is str else"),
    ),
    *of(
        "_kinds.py",
        ("no means yes", '"no": False', '"no": True'),
        ("a truth value is a number", "return None if isinstance(value, bool) else value", "return value"),
        ("whole by cutting off", "and int(size) == size else REFUSED", "else REFUSED"),
        ("infinite is a number", "return nearest if math.isfinite(nearest) else REFUSED", "return nearest"),
        ("a long number through a float", "return exact if exact.is_finite() else", "return float(exact) if exact.is_finite() else"),
        ("a name taken apart", "        value = [value]\n", "        value = list(value)\n"),
        ("a gradient lost silently", "if isinstance(value, Tensor) and value.requires_grad:", "if False:"),
        ("any word will do", "return REFUSED\n\n\ndef _several", "return value\n\n\ndef _several"),
    ),
    *of(
        "_arrays.py",
        ("a column by its index", 'return value.__array__() if hasattr(value, "__array__") else value.to_numpy()', 'return value.__array__() if hasattr(value, "__array__") else [value[i] for i in range(len(value))]'),
        ("masks forgotten", 'if hasattr(value, "filled") and hasattr(value, "mask"):', "if False:"),
        ("digits lost", "return torch.tensor(rows, dtype=torch.float64) if tensor.is_floating_point() else tensor", "return tensor"),
        ("byte order forgotten", "and array.dtype.isnative):", "):"),
        ("a remedy that shuffles", 'return f"torch.tensor({name}.to_numpy())" if', 'return f"torch.tensor({name})" if'),
    ),
    *of(
        "_resolve.py",
        ("before all that is installed", "sys.path.append(str(folder))", "sys.path.insert(0, str(folder))"),
        ("a file read anew each time", "if name in sys.modules:", "if False:"),
        ("half a module stays", "        del sys.modules[name]\n", "        pass\n"),
    ),
    *of(
        "_call.py",
        ("all is handed over", "if not any(p.kind is p.VAR_KEYWORD for p in parameters):", "if not parameters:"),
        ("what it raises goes through", "    except Exception as error:  # whatever the code of a user raises\n        raise broken(", "    except ZeroDivisionError as error:\n        raise broken("),
        ("the line where it was called", "traceback.extract_tb(error.__traceback__)[-1]", "traceback.extract_tb(error.__traceback__)[0]"),
    ),
    *of(
        "_files.py",
        ("written over the old", "with part.open(\"wb\") as file:", "with path.open(\"wb\") as file:"),
        ("what is half written stays", "part.unlink(missing_ok=True)", "pass"),
        ("what cannot be used is lost", "return path.replace(aside)", "path.unlink()\n    return aside"),
        ("set aside over another", ").exists()\n    )", ").name == \"\"\n    )"),
    ),
    *of(
        "_files.py",
        ("one name for all writers", "return os.getpid() if first else threading.get_native_id()", "return 0"),
        ("threads of one process share a name", "os.getpid() if first else threading.get_native_id()", "os.getpid()"),
        ("the name before the content", "os.fsync(file.fileno())", "pass"),
        ("written in place", "part.replace(path)", "path.write_bytes(content)"),
    ),
    *of(
        "_text.py",
        ("C1 is let through", r"\x7f-\x9f", r"\x7f"),
        ("marks of direction are let through", r'"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"', '""'),
        ("lone surrogates are let through", r"\ud800-\udfff", r"\ud800-\udbff"),
        ("kept whatever is asked", 'match[0] if match[0] in keep else', 'match[0] if match[0] == "\\n" else'),
    ),
]  # fmt: skip
