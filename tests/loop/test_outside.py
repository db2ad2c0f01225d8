"""What the loop says where training changed whether a model chooses at all."""

from culturepark.loop.document import NOTABLE_MASS, outside_masses
from culturepark.loop.plan import Training
from culturepark.loop.values import Measured


def asked(mass: float | None) -> Measured:
    return Measured("e1", {}, {}, outside_mass=mass)


def test_the_mass_on_no_option_is_averaged_by_arm_over_cultures_and_seeds() -> None:
    trained = {
        Training("talk", "german", 1): asked(0.5),
        Training("talk", "korean", 1): asked(0.3),
        Training("talk", "german", 2, 0.5): asked(0.1),
        Training("shuffled", "german", 1): asked(None),
    }
    assert outside_masses(asked(0.2), trained) == {"base": 0.2, "talk": 0.4, "talk-share-50": 0.1}
    assert outside_masses(asked(None), {}) == {}
    assert 0 < NOTABLE_MASS < 0.1
