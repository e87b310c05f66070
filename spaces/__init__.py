"""What can be proposed: architectures, and the space of them. Standard library only."""

from spaces.architecture import SE, Architecture
from spaces.errors import UserError
from spaces.space import Space
from spaces.spec import Site, SpaceSpec

__all__ = ["SE", "Architecture", "Site", "Space", "SpaceSpec", "UserError"]
