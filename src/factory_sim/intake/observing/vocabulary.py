"""Words of feeds in several languages: states, and names of signals and columns."""

from __future__ import annotations

import re
import unicodedata

from factory_sim.intake.mapping import Item

_STATE_WORDS = {  # PackML, MTConnect, OPC UA for machinery; English, German, French, Spanish, Italian, Chinese
    "busy": "RUNNING RUN EXECUTE EXECUTING ACTIVE PRODUCING PRODUCTION BUSY WORKING AUTO AUTOMATIC PROCESSING ON "
    "PRODUKTION PRODUZIERT LAUFT LAUF BETRIEB IN_BETRIEB ARBEITET BEARBEITUNG AUTOMATIK MARCHE EN_MARCHE EN_PRODUCTION "
    "EN_COURS PRODUCIENDO PRODUCCION MARCHA EN_MARCHA TRABAJANDO PRODUZIONE IN_PRODUZIONE IN_MARCIA LAVORAZIONE "
    "运行 运行中 生产 生产中 加工 加工中 工作 自动",
    "starved": "IDLE READY STARVED WAITING STANDBY SUSPENDED UNSUSPENDING SUSPENDING COMPLETE COMPLETED COMPLETING "
    "PROGRAM_COMPLETED PROGRAM_STOPPED WARTEN WARTET LEERLAUF BEREIT MATERIALMANGEL WARTEN_AUF_TEILE ATTENTE "
    "EN_ATTENTE MANQUE_MATIERE PRET ESPERANDO ESPERA EN_ESPERA LISTO ATTESA IN_ATTESA PRONTO 待机 空闲 等待 待料 就绪",
    "blocked": "BLOCKED FULL BLOCKIERT STAU BLOQUE SATURATION BLOQUEADO BLOCCATO 阻塞 堵料 满料",
    "waiting": "HELD HOLDING UNHOLDING FEED_HOLD INTERRUPTED OPTIONAL_STOP PAUSED HOLD UNTERBROCHEN ANGEHALTEN 暂停",
    "down": "FAULT FAULTED ERROR ALARM DOWN ABORTED ABORTING FAILED FAILURE BREAKDOWN BROKEN EMERGENCY EMERGENCY_STOP "
    "STORUNG GESTORT FEHLER DEFEKT AUSFALL NOT_HALT STILLSTAND PANNE EN_PANNE DEFAUT ARRET AVERIA FALLO PARADA PARADO "
    "GUASTO ALLARME FERMO 故障 报警 异常 停机 急停",
    "repair": "REPAIR CLEARING REPARATUR REPARATION DEPANNAGE REPARACION RIPARAZIONE 维修",
    "setup": "SETUP SETTING CHANGEOVER STARTING RESETTING RUSTEN UMRUSTEN EINRICHTEN REGLAGE CHANGEMENT "
    "CHANGEMENT_DE_SERIE PREPARACION CAMBIO AJUSTE ATTREZZAGGIO 调试 换型 换模 准备 调机",
    "maintenance": "MAINTENANCE SERVICE CLEANING WARTUNG REINIGUNG INSTANDHALTUNG NETTOYAGE MANTENIMIENTO LIMPIEZA "
    "MANUTENZIONE PULIZIA 保养 维护 清洁",
    "off": "OFF STOPPED STOPPING STOP SHUTDOWN CLOSED INACTIVE AUS AUSGESCHALTET PAUSE HORS_TENSION ETEINT APAGADO "
    "SPENTO 关机 停止",
    "unknown": "UNAVAILABLE UNKNOWN OFFLINE DISCONNECTED UNDEFINED NONE UNBEKANNT KEINE_VERBINDUNG INCONNU DESCONOCIDO "
    "离线 未知",
}
STATE_OF = {word: state for state, words in _STATE_WORDS.items() for word in words.split()}
UNSURE = frozenset(
    (
        *("ON", "OFF", "STILLSTAND", "ARRET", "PARADA", "PARADO", "FERMO", "停机", "停止", "STOP", "PAUSE"),
        *("AUTO", "AUTOMATIC", "AUTOMATIK", "自动"),  # perhaps a mode
    )
)
_PACKML_WORDS = (  # ISA-TR88.00.02, StateCurrent from 1 on
    "CLEARING STOPPED STARTING IDLE SUSPENDED EXECUTE STOPPING ABORTING ABORTED HOLDING HELD UNHOLDING SUSPENDING "
    "UNSUSPENDING RESETTING COMPLETING COMPLETE"
)
PACKML = dict(enumerate(_PACKML_WORDS.split(), 1))
_COUNT = (
    r"count|parts|pieces|produced|processed|quantity|total|cycles|\bqty\b|stuck|menge|zahler|anzahl|\bteile\b|"
    r"piezas|pezzi|产量|数量|计数"
)
NAMES = (  # (item, pattern of plain names); the first that fits counts
    (Item.SCRAP, r"scrap|reject|defect|\bnok\b|\bbad\b|ausschuss|rebut|rechaz|scart|不良|废品"),
    (Item.GOOD, r"good|\bok\b|yield|\bgut|bonnes|buenas|buoni|合格|良品"),
    (Item.COUNT, _COUNT),
    (Item.ENERGY, r"energ|kwh|\bwh\b|电能|能耗|电量"),
    (Item.POWER, r"power|\bkw\b|watt|leistung|puissance|potencia|potenza|功率"),
    (Item.ID, r"serial|part ?id|piece ?id|\bsn\b|seriennummer|numero de serie|序列号"),
    (Item.ORDER, r"order|job|batch|program|recipe|auftrag|orden\b|ordre|commessa|rezept|工单|订单|程序"),
    (Item.REASON, r"reason|fault ?code|alarm ?code|stop ?code|grund|motif|motivo|raison|causa|原因"),
    (Item.STATE, r"state|status|mode|execution|zustand|betriebsart|\betat|estado|\bstato\b|statut|状态"),
)
RUNNING = r"running|\brun\b|busy|producing|in betrieb|lauft|en marche|en marcha|运行"
TIME = (
    r"time|(time )?time ?stamp( ?\w+)?|ts|tst|t|date ?time|date|zeit|zeit ?stempel|zeit ?punkt|datum|begin|beginn|"
    r"start( ?time)?|von|horodatage|date ?heure|debut|fecha( ?hora)?|inicio|data ?ora|inizio|"
    r"时间|时间戳|日期|开始时间"
)
UNIT = (
    r"(machine|maschinen?|anlagen?|unit|station|equipment|device|asset|resource|arbeits ?platz|work ?cent(er|re)|"
    r"maquina|equipo|macchina|data ?set ?writer)( ?(id|name|no|nr|number|nummer|code))?|设备(编号|名称)?|机器|机台|工位"
)
ITEM = r"item|name|tag|tag ?(name|id)|signal|variable|parameter|point( ?(name|id))?|metric|measurement|id|node ?id"
VALUE = r"value|val|v|wert|mess ?wert|valeur|valor|valore|reading|值|数值"


def plain(name: str) -> str:
    """Return a name in lower case, without accents, with blanks between its words: partCount -> part count."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    bare = "".join(c for c in unicodedata.normalize("NFKD", apart) if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", " ", bare.lower()).strip()


def last_step(path: str) -> str:
    """Return the last step of a JSON path, or the name itself."""
    return re.split(r"[.\[\]']+", path.rstrip("]'"))[-1] if path.startswith("$") else path


def is_called(pattern: str, path: str) -> bool:
    """Return whether a column or the last step of a path has a name that a pattern describes in full."""
    return re.fullmatch(pattern, plain(last_step(path))) is not None


def state_of(word: str) -> str:
    """Return the state that a word usually means, "" for none."""
    return STATE_OF.get(plain(word).upper().replace(" ", "_"), "")


def is_unsure(word: str) -> bool:
    """Return whether plants use a word for more than one state."""
    return plain(word).upper().replace(" ", "_") in UNSURE
