"""What can be proposed: architectures, and the space of them. Standard library only."""

from spaces.architecture import SE, Architecture
from spaces.errors import UserError
from spaces.space import Site, Space, SpaceSpec

__all__ = ["SE", "Architecture", "Site", "Space", "SpaceSpec", "UserError"]
