"""Which language a text is written in, told offline by its commonest words and its script.

Knows words and scripts; must not know documents or stemming. The lists hold the words that say nothing about what a
text is about, so that a question is searched without them too.
"""

import re
from collections import Counter
from collections.abc import Collection
from typing import Final

NONE: Final = ""  # no language was told: words are compared as they are
_SAMPLE_CHARS: Final = 20_000
_MIN_SHARE: Final = 0.06  # of the words of a sample; prose has 0.3 and more
_WORD: Final = re.compile(r"[^\W\d_]+")
_EAST_ASIAN: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

# Names as Snowball has them.
_LISTS: Final = {
    "english": (
        "a about after all also an and any are as at be been but by can could did do does for from had has have he "
        "her his how i if in into is it its me my no not of on or our out please she should so some tell than that "
        "the long many much often their them then there these they this those to up was we were what when where which "
        "while who whom whose why will with would you your"
    ),
    "german": (
        "aber als am an auch auf aus bei bin bis da dann das dass daß dem den der des die doch du durch ein eine "
        "einem einen einer eines er lange oft viel viele es für gibt haben habe hat hatte ich ihr ihre im in ist kann "
        "kein keine man mein mich mit nach nicht noch nur ob oder sein seine sich sie sind so über um und uns unter "
        "vom von vor wann war waren warum was welche welcher welches wenn wer werden wie wieso wird wo wurde zu zum "
        "zur"
    ),
    "french": (
        "à au aux avec c ce ces cette comment d dans de des du elle en est et être il ils j je l la le les leur lui "
        "ma mais me même mes mon n ne nos notre nous on ont où ou par pas pour pourquoi qu quand que quel quelle "
        "quelles quels qui quoi s sa sans se ses si son sont sur ta te tu un une vos votre vous y"
    ),
    "spanish": (
        "a al como cómo con cuál cuales cuáles cuando cuándo cuánto de del desde donde dónde el ella en entre era es "
        "esa ese esta está este esto fue ha hay la las le lo los más me mi muy no nos o para pero por porque qué que "
        "quién quien se ser si sin sobre su sus también tiene un una uno y ya yo"
    ),
    "italian": (
        "a ai al alla anche che chi ci come con cosa cui da dal dalla dei del della delle di dove e è ed era gli ha "
        "hanno i il in io la le lo ma mi nel nella non o per perché più qual quale quali quando quanto se si sono su "
        "sua sul sulla suo tra un una uno"
    ),
    "portuguese": (
        "a ao aos as às com como da das de do dos e é ela ele em entre era essa esse esta está este eu foi há isso já "
        "lhe mais mas me meu na não nas no nos o onde os ou para pela pelo por porque qual quais quando que quem se "
        "sem ser seu sua são também tem um uma"
    ),
    "dutch": (
        "aan als bij dat de deze die dit door een en er geen haar had heb heeft het hij hoe ik in is je kan maar me "
        "met mijn naar niet nog of om onder onze ook op over te tot u uit van veel voor waar waarom wanneer was wat "
        "we welke werd wie wij wordt ze zich zij zijn zo"
    ),
    "swedish": (
        "att av de den det där dig du eller en ett från för ha har hon hur han i inte jag kan man med men min mot när "
        "nu och om på sig sin ska som så till under upp ut vad var varför vem vi vid vilka vilken är"
    ),
    "danish": (
        "af at blev da de dem den der det dig dog du efter eller en er et for fra ham han har have hun hvad hvem hvor "
        "hvordan hvorfor hvornår i ikke ind jeg kan man med men mig min ned noget nu og også om op over på sig sin "
        "skal som til ud under var vi være"
    ),
    "norwegian": (
        "av at ble da de dem den der det deg du eller en er et etter for fra ha han har hun hva hvem hvor hvordan "
        "hvorfor i ikke inn jeg kan man med men meg mot når nå og også om opp over på seg sin skal som til ut var vi "
        "være"
    ),
    "finnish": (
        "ei että hän he ja jo joka jos kanssa kuin kuinka kun ole oli olla on ovat me mikä miksi milloin minä missä "
        "mitä mutta myös ne niin nyt se sekä sen siellä sinä tai te tämä vain voi"
    ),
    "hungarian": (
        "a az és azt be csak de egy ez ezt el én fel ha hogy hogyan hol is ki kell lehet meg mert mi mikor milyen "
        "mint még nem nincs ő össze pedig s szerint úgy vagy van volt"
    ),
    "romanian": (
        "a ai al ale am ar are care ca când cât ce cea cei cel cine cu cum da dar de din după este în îl la le lui "
        "mai nu o pe pentru prin sa să se si și sau sunt un una unde unei unui"
    ),
    "polish": (
        "a ale być co czy dla do gdzie go i ich ile jak jaka jaki jakie jako jest już kiedy kto który która które lub "
        "ma na nad nie o od oraz po pod przez przy są się ta tak tam te tego ten to tylko tym w we więc z za ze że"
    ),
    "czech": (
        "a aby ale ani až bez být by byl co do ho i já jak jaký jako je jeho jen ještě již jsem jsou k kde kdo kdy "
        "která které který ke má na nad ne nebo není o od po pod pro proč před při s se si tak také ten to u v ve "
        "však z za ze že"
    ),
    "turkish": (
        "ama ancak bir bu bunu da daha de değil diye en gibi hangi her ile için ise kadar ki kim mı mi mu mü nasıl ne "
        "neden nerede o olan olarak oldu sonra şu ve veya ya"
    ),
    "russian": (
        "а бы был была были было быть в вам вас вот все вы где да для до его ее если есть еще же за и из или им их к "
        "как какая какие какой когда кто ли мне может мы на не него нет но о об он она они от по почему при с сколько "
        "со так также то только у уже чем что чтобы это этот я"
    ),
    "greek": (
        "από αυτό για γιατί δε δεν είναι ένα ένας εν και κατά με μέσα μετά μη μια να ο οι όπως όταν ότι ου παρά ποια "
        "ποιο ποιος πότε που πού προς πως πώς σε στα στη στην στο στον στους τα τη την της τι το τον του τους των ως "
        "ή η"
    ),
}
STOP_WORDS: Final = {name: frozenset(words.split()) for name, words in _LISTS.items()}

# Scripts that one Snowball language here is written in: told by the letters where no list decides.
_SCRIPTS: Final = (
    (re.compile("[\u0400-\u04ff]"), "russian"),
    (re.compile("[\u0370-\u03ff]"), "greek"),
    (re.compile("[\u0600-\u06ff]"), "arabic"),
    (re.compile("[\u0900-\u097f]"), "hindi"),
)


def detect(text: str, among: Collection[str] = ()) -> str:
    """Return the Snowball name of the language of `text`, or NONE where it cannot be told.

    among: the languages that come into question; empty for all.
    """
    sample = text[:_SAMPLE_CHARS].casefold()
    if 5 * len(_EAST_ASIAN.findall(sample)) > len(sample):
        return NONE
    counts = Counter(_WORD.findall(sample))
    n_words = sum(counts.values())
    if n_words == 0:
        return NONE
    names = [name for name in among if name in STOP_WORDS] or list(STOP_WORDS)
    scores = {name: sum(counts[word] for word in STOP_WORDS[name]) for name in names}
    best = max(scores, key=lambda name: scores[name])  # the first of `among` where two are even
    if scores[best] >= _MIN_SHARE * n_words and scores[best] > 0:
        return best
    return next((name for letters, name in _SCRIPTS if 2 * len(letters.findall(sample)) > len(sample) // 2), NONE)
