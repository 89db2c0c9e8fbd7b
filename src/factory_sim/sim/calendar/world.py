"""The run's arrays behind one address, which is all that functions under njit pass to each other.

Measured on the standard line, per part visit: nine arrays passed at every call 2.5 µs, a reference-counted structure
0.5 µs, a bare address to tables of known width less than half of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_getattr
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, register_model

from factory_sim.sim.calendar import columns as c

if TYPE_CHECKING:
    from factory_sim.records import I8
    from factory_sim.sim.calendar.state import World

# ruff: noqa: ANN001, ANN202 - compiled: types are inferred

# attribute -> (type of a number, width of a row; 0: a plain list), in the order of state.World
FIELDS = {
    "f": (types.int64, c.F_WIDTH), "a": (types.int64, 0), "x": (types.float64, 0), "k": (types.uint64, c.K_WIDTH),
    "s": (types.int64, c.S_WIDTH), "p": (types.int64, c.P_WIDTH), "e": (types.int64, 0), "g": (types.int64, 0),
    "r": (types.int64, 7),
}  # fmt: skip


class OpenWorld(types.Type):  # type: ignore[misc]
    """Numba's type of an address of a header: for each array its address and its length."""

    def __init__(self) -> None:
        super().__init__(name="OpenWorld")


open_world = OpenWorld()


@register_model(OpenWorld)
class _OpenWorldModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, ir.IntType(64))


@intrinsic
def _world_at(_context, address):  # noqa: ARG001 - Numba passes it to the code that this generates
    """The open world whose header stands at `address`."""
    return open_world(types.int64), lambda _context, _builder, _signature, arguments: arguments[0]


world_at: Any = _world_at  # called with the address alone


def _array(name: str) -> Any:
    kind, width = FIELDS[name]
    return types.Array(kind, 2 if width else 1, "C")


@infer_getattr
class _Attributes(AttributeTemplate):  # type: ignore[misc]
    key = OpenWorld

    def generic_resolve(self, _world: Any, name: str) -> Any:
        return _array(name) if name in FIELDS else None


def _expose(number: int, name: str) -> None:
    kind, width = FIELDS[name]

    @lower_getattr(OpenWorld, name)
    def view_of(context, builder, _world, address):
        word, eight = ir.IntType(64), ir.Constant(ir.IntType(64), 8)
        head = builder.inttoptr(address, word.as_pointer())
        data, length = (builder.load(builder.gep(head, [ir.Constant(word, 2 * number + i)])) for i in (0, 1))
        for constant in (data, length):  # a header never changes while a compiled function runs
            constant.set_metadata("invariant.load", builder.module.add_metadata([]))
        view = context.make_array(_array(name))(context, builder)
        shape = [length, ir.Constant(word, width)] if width else [length]
        strides = [ir.Constant(word, 8 * width), eight] if width else [eight]
        view.data = builder.inttoptr(data, context.get_data_type(kind).as_pointer())
        view.shape, view.strides, view.itemsize = _pack(builder, shape), _pack(builder, strides), eight
        view.nitems = builder.mul(length, ir.Constant(word, max(width, 1)))
        view.meminfo, view.parent = (ir.Constant(part.type, None) for part in (view.meminfo, view.parent))
        return view._getvalue()  # noqa: SLF001 - Numba's own idiom


def _pack(builder: Any, values: list[Any]) -> Any:
    packed = ir.Constant(ir.ArrayType(ir.IntType(64), len(values)), ir.Undefined)
    for i, value in enumerate(values):
        packed = builder.insert_value(packed, value, i)
    return packed


for _number, _name in enumerate(FIELDS):
    _expose(_number, _name)


def header(world: World) -> I8:
    """Addresses and lengths of a world's arrays; valid while `world` is held."""
    return np.array([number for array in world for number in (array.ctypes.data, len(array))], np.int64)
