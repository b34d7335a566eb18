"""Two words for an id, such as "amber otter", which people can say and remember; ids stay what programs use.

The lists may grow only with a new scheme: a name that was made once is kept, and one made anew must be the same.
"""

from __future__ import annotations

import hashlib
import re

_FIRST_WORDS = """
acorn amber apple ashen autumn azure balsam bamboo basil birch blue bramble bright bronze brown calm candle cedar chalk cherry
chestnut clay clear clover coal cobalt cool copper coral cotton cream crimson crystal damson dawn denim desert dew dusk early
east ebony elder elm ember emerald evening fennel fern field flax flint forest frost garnet ginger glass gold grain granite
grass green grey harbour hazel heather hill honey indigo iris iron island ivory ivy jade jasmine juniper lake larch late lemon
lilac lime linen little maple marble marsh meadow mellow mild mint misty moon morning moss mountain mustard north oak ochre
olive onyx opal orange orchard pale pearl pebble pine plain plum poplar quartz quiet rain red river
rose russet saffron sage sand silver slate snow spring summer
"""

_SECOND_WORDS = """
alpaca antelope avocet badger bat bear beaver bee bison bittern blackbird boar bream buffalo bunting buzzard camel capercaillie
caribou carp cat chaffinch chamois cicada cod condor coot cormorant crab crane cricket crow cuckoo curlew deer dolphin donkey
dormouse dove dragonfly duck dunlin eagle egret eider elk falcon ferret finch flamingo flounder fox frog gannet gazelle
gecko gibbon giraffe goat goldfinch goose grebe grouse gull hamster hare hawk hedgehog heron herring hoopoe horse ibex ibis
iguana jackdaw jay kestrel kingfisher kite koala lamprey lapwing lark lemur linnet lizard llama lobster lynx magpie mallard manatee
marmot marten martin merlin mink mole moose moth mouse newt nightjar ocelot oriole osprey otter owl
oyster panther parrot partridge pelican penguin perch pheasant pigeon pike plover pony porpoise puffin puma quail rabbit raven robin
"""

_FIRST, _SECOND = _FIRST_WORDS.split(), _SECOND_WORDS.split()

_MADE_ID = re.compile(r"[cf]-?[0-9a-f]{6,12}")
"""Ids that were counted out by the program; any other is a word of somebody's own."""


def word_pair(made_id: str) -> str:
    """Return the two words of an id, always the same ones; of 16,384 pairs, so two ids may rarely share one."""
    number = int.from_bytes(hashlib.blake2b(made_id.encode(), digest_size=4).digest(), "big")
    return f"{_FIRST[number % len(_FIRST)]} {_SECOND[number // len(_FIRST) % len(_SECOND)]}"


def made_name(made_id: str, asks_for: str | None = None) -> str:
    """Name a campaign or a family: what it asks for, where that is known, and its words; an id of somebody's own is its name."""
    if _MADE_ID.fullmatch(made_id) is None:
        return made_id
    return f"{asks_for} · {word_pair(made_id)}" if asks_for else word_pair(made_id)
