"""Names that people can say."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["generate_name"]

_ADJECTIVES: Final = (
    "amber ancient autumn bold brave bright brisk calm candid clever cosmic crisp curious daring deft eager early earnest easy "
    "elegant fabled famous fancy fast fearless fierce fiery fluent fond frank free fresh gentle glad golden graceful grand green "
    "happy hardy honest humble icy jolly keen kind lively loyal lucid lucky lunar mellow merry mighty misty modest neat nimble "
    "noble patient plucky polite proud quick quiet rapid rare robust rustic sage serene sharp shy silent silver sincere sleek "
    "smart smooth snowy solar solid spry stable steady stellar sturdy sunny swift tidy tranquil trusty upbeat valiant vivid warm "
    "wise witty zesty"
)
_ANIMALS: Final = (
    "albatross alpaca antelope badger bat bear beaver beetle bison bobcat buffalo bumblebee camel caribou cat cheetah chinchilla "
    "cobra condor cougar coyote crab crane cricket crow deer dingo dolphin dove dragonfly eagle egret elephant elk ermine falcon "
    "ferret finch firefly flamingo fox frog gazelle gecko gibbon giraffe goose gopher hare hawk hedgehog heron hornet horse hyena "
    "ibex ibis iguana impala jackal jaguar jay kestrel koala lark leech lemur leopard lion lizard llama lobster lynx magpie "
    "manatee mantis marmot marten mole mongoose moose moth narwhal newt ocelot octopus okapi orca osprey otter owl panda panther "
    "parrot pelican penguin pheasant puffin puma quail rabbit raccoon raven robin salmon seal shark sparrow squid stork swan tapir "
    "tiger toucan trout turtle viper walrus weasel whale whippet wolf wombat yak zebra"
)
ADJECTIVES: Final = tuple(_ADJECTIVES.split())
ANIMALS: Final = tuple(_ANIMALS.split())


def generate_name(size: int = 2) -> str:
    """Adjectives and an animal, joined by `-`; `size` words."""
    if size < 1:
        raise ValueError(f"a name of {size} words cannot be made")
    chosen = random.sample(ADJECTIVES, min(size - 1, len(ADJECTIVES)))
    return "-".join([*chosen, random.choice(ANIMALS)])
