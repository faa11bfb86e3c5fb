"""Mutations of the sampler."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "samplers/balanced.py",
        ("a state of other data", 'if state.get("samples", samples) != samples:', "if False:"),
        ("what is no state at all", 'for name in ("seed", "epoch") if name not in state]', 'for name in ("seed",) if name not in state]'),
        ("each process the same batches", "rows[self.rank :: self.num_replicas]", "rows[:: self.num_replicas]"),
        ("seed and epoch added", "manual_seed(_mix(self.seed, epoch))", "manual_seed(self.seed + epoch)"),
        ("copies that share their orders", "replace(self._orders)", "self._orders"),
        ("a resumed epoch from its start", "Orders(epoch, batch)", "Orders(epoch)"),
        ("the loaded seed kept from Lightning", '"seed": seed})', '})'),
    ),
    *of(
        "samplers/_slots.py",
        ("classes dealt in a fixed order", "torch.randperm(self.visits.shape[0], generator=generator, dtype=torch.int32)", "torch.arange(self.visits.shape[0], dtype=torch.int32)"),
        ("classes covered in a fixed order", "torch.randperm(drawn.shape[0], generator=generator, dtype=torch.int32)", "torch.arange(drawn.shape[0], dtype=torch.int32)"),
        ("a class in one batch after another", "queue.view(self.places, self.num_batches).T[", "queue.view(self.num_batches, self.places)["),
        ("visits without a level", "visits[lowest[", "visits[torch.arange(len(visits))["),
        ("small classes as often as large", "_water_level(least, total, least + counts)", "_water_level(least, total)"),
        ("what is left to the same classes", "self.open[torch.randperm(self.open.shape[0], generator=generator)[: self.rest]]", "self.open[: self.rest]"),
        ("visitors in one wide group", ".tensor_split(self.groups)", ".tensor_split(1)"),
        ("visitors one by one", "torch.cat([group.T.flatten() for group in columns])", "torch.cat([group.flatten() for group in columns])"),
        ("residents in groups", "self.resides = self.drawn >= group * self.num_batches", "self.resides = self.drawn < 0"),
        ("the most of a class without the rest", "int(part.max()) + min(self.rest, 1)", "int(part.max())"),
    ),
    *of(
        "samplers/_draw.py",
        ("samples in a fixed order", "torch.randperm(total, generator=generator, dtype=index)", "torch.arange(total, dtype=index)"),
        ("passes of a class mixed", "order = pass_of.index_select(0, shuffled)", "order = shuffled"),
        ("one pass too few", "passes = -(-drawn // counts)", "passes = (drawn // counts).clamp_min(1)"),
    ),
    *of(
        "samplers/_orders.py",
        ("the order that was begun, again", "self.epoch + 1, 0", "self.epoch, 0"),
        ("a chosen epoch passed by", "orders = self._orders if current.awaited else current", "orders = self._orders"),
        ("old iterators take new orders", "orders = self._orders if current.awaited else current", "orders = current"),
        ("batches done before a resume forgotten", "(epoch, first + done) if left", "(epoch, done) if left"),
        ("an iterator without its epoch", '{"epoch": self._epoch, ', '{"epoch": None, '),
    ),
    *of(
        "samplers/_labels.py",
        ("masked labels count", "    refuse_masked(who, \"labels\", given)\n", ""),
        ("labels of a longer set", "if hasattr(dataset, \"__len__\") and labels.ndim", "if False and labels.ndim"),
        ("labels of the whole set", "[_as_tensor(who, given.indices).cpu().long()]", ""),
        ("a column by its index", "return _of_array(who, given.to_numpy())", "return _of_sequence(who, [given[i] for i in range(len(given))])"),
        ("a data set opened", "isinstance(given, Mapping | Dataset)", "isinstance(given, Mapping)"),
        ("classes that are not there", "counts[counts > 0]", "counts"),
    ),
    *of(
        "samplers/_doubts.py",
        ("ignored labels are dealt in silence", "if ignored := int((labels == _IGNORED).sum()):", "if ignored := 0:"),
        ("nothing said of long epochs", "_FAR = 2 ", "_FAR = 2000 "),
        ("said of epochs that were chosen", "if epoch is not None and epoch >", "if (epoch or 10**9) >"),
    ),
    *of(
        "samplers/_arguments.py",
        ("one of a class in a batch that has room for two", "each if each > 1 else batch_size", "max(1, each)"),
        ("9 of a class instead of 8", "_SAMPLES_PER_CLASS = 8 ", "_SAMPLES_PER_CLASS = 9 "),
    ),
]  # fmt: skip
