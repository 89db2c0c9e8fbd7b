"""The run's tables behind one address, which is all that functions under njit pass to each other.

Measured on the standard line, per part visit: nine arrays passed at every call 2.5 µs, a reference-counted structure
0.5 µs, a bare address 0.34 µs. Numba's own arrays behind the address carry shapes and strides, and look at every
index for being negative; a `Table` here is a bare pointer to rows of known width, which also compiles in half the time.
An index below zero or beyond the end is therefore a fault that nobody notices: `tests/sim` compare every run.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import infer_getattr, intrinsic, register_model

from factory_sim.sim.calendar import columns as c

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from factory_sim.records import I8


_WORD = ir.IntType(64)
WHOLE, FLOAT, NAME = types.int64, types.float64, types.uint64  # the types of numbers in tables


class OpenWorld(types.Type):  # type: ignore[misc]
    """Numba's type of an address of a header: for each array its address and its length."""

    def __init__(self, name: str, fields: dict[str, tuple[Any, int]]) -> None:
        self.fields = fields
        super().__init__(name=name)


class Row(types.Type):  # type: ignore[misc]
    """Numba's type of an address of numbers that stand one behind the other."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        super().__init__(name=f"Row({kind})")


class Table(types.Type):  # type: ignore[misc]
    """Numba's type of an address of rows of `width` numbers."""

    def __init__(self, kind: Any, width: int) -> None:
        self.kind, self.width = kind, width
        super().__init__(name=f"Table({kind}, {width})")


@register_model(OpenWorld)
@register_model(Row)
@register_model(Table)
class _AddressModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _WORD.as_pointer())


def opener(name: str, fields: dict[str, tuple[Any, int]]) -> Any:
    """A compiled function: address of a header -> the world behind it, with the attributes that `fields` names.

    `fields`: attribute -> (type of a number, width of a row; 0: a plain list), in the order of the header.
    """
    world = OpenWorld(name, fields)

    @intrinsic
    def world_at(_context, address):  # noqa: ARG001 - Numba passes it to the code that this generates
        return world(types.int64), lambda _context, builder, _signature, arguments: builder.inttoptr(
            arguments[0], _WORD.as_pointer()
        )

    return world_at


@intrinsic
def _highest_bit(_context, _bits):
    """The number of the highest set bit; `bits` is not 0."""

    def generate(_context, builder, _signature, arguments):
        zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(_WORD, 63), zeros)

    return types.int64(types.int64), generate


highest_bit: Any = _highest_bit  # called with the bits alone


# ---- w.s, and w.n_s: how many rows it has


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = OpenWorld

    def generic_resolve(self, world: Any, name: str) -> Any:
        if name in world.fields:
            kind, width = world.fields[name]
            return Table(kind, width) if width else Row(kind)
        return types.int64 if name.removeprefix("n_") in world.fields else None


@lower_getattr_generic(OpenWorld)
def _view(_context, builder, world, head, name):
    at = 2 * list(world.fields).index(name.removeprefix("n_")) + name.startswith("n_")
    constant = builder.load(builder.gep(head, [ir.Constant(_WORD, at)]))
    # a header never changes while a compiled function runs
    constant.set_metadata("invariant.load", builder.module.add_metadata([]))
    return constant if at % 2 else builder.inttoptr(constant, _WORD.as_pointer())


# ---- elements: w.g[c.NOW] and w.s[unit, c.HELD] are numbers, w.s[unit] is a row


def _element(table, index):
    """What `table[index]` is; None: nothing."""
    if isinstance(table, Row) and isinstance(index, types.Integer):
        return table.kind
    if isinstance(table, Table) and isinstance(index, types.Integer):
        return Row(table.kind)
    if isinstance(table, Table) and isinstance(index, types.BaseTuple) and len(index) == 2:
        return table.kind
    return None


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _kws: Any) -> Any:
        element = _element(*args)
        return None if element is None else signature(element, *args)


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, _kws: Any) -> Any:
        element = _element(*args[:2])
        return None if element is None or isinstance(element, Row) else signature(types.none, *args[:2], element)


def _address(context, builder, sig, args):
    """Where `table[index]` stands."""
    (table, index), (address, at) = sig.args[:2], args[:2]
    numbers = list(index) if isinstance(index, types.BaseTuple) else [index]
    values = [builder.extract_value(at, i) for i in range(2)] if len(numbers) == 2 else [at]
    for i, (value, kind) in enumerate(zip(values, numbers, strict=True)):
        place = context.cast(builder, value, kind, types.int64)
        if isinstance(table, Table) and i == 0:
            place = builder.mul(place, ir.Constant(_WORD, table.width))
        address = builder.gep(address, [place])
    return address


def _get(context, builder, sig, args):
    address = _address(context, builder, sig, args)
    if isinstance(sig.return_type, Row):
        return address
    return builder.load(builder.bitcast(address, context.get_data_type(sig.return_type).as_pointer()))


def _set(context, builder, sig, args):
    kind = context.get_data_type(sig.args[2])
    builder.store(args[2], builder.bitcast(_address(context, builder, sig, args), kind.as_pointer()))
    return context.get_dummy_value()


for _container, _index in ((Row, types.Integer), (Table, types.Integer), (Table, types.BaseTuple)):
    lower_builtin(operator.getitem, _container, _index)(_get)
    lower_builtin(operator.setitem, _container, _index, types.Any)(_set)


# attribute -> (type of a number, width of a row; 0: a plain list), in the order of state.World
world_at = opener(
    "OpenWorld",
    {
        "f": (WHOLE, c.F_WIDTH),
        "a": (WHOLE, 0),
        "x": (FLOAT, 0),
        "k": (NAME, c.K_WIDTH),
        "s": (WHOLE, c.S_WIDTH),
        "p": (WHOLE, c.P_WIDTH),
        "e": (WHOLE, 0),
        "g": (WHOLE, 0),
        "r": (WHOLE, 7),
    },
)


def header(arrays: Iterable[NDArray[Any]]) -> I8:
    """Addresses and lengths of a world's arrays; valid while they are held."""
    return np.array([number for array in arrays for number in (array.ctypes.data, len(array))], np.int64)
