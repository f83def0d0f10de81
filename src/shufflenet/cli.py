import argparse, dataclasses, sys
from pathlib import Path
def main(argv=None):
    p=argparse.ArgumentParser(); sub=p.add_subparsers(dest='command',required=True)
    t=sub.add_parser('train')
    t.add_argument('--data',required=True); t.add_argument('--val'); t.add_argument('--labels')
    t.add_argument('--model',default='shufflenet_v2_x1_0'); t.add_argument('--out',required=True,type=Path)
    t.add_argument('--recipe',default='small-images'); t.add_argument('--resume',action='store_true')
    t.add_argument('--compile',action='store_true'); t.add_argument('--stem-stride',type=int)
    t.add_argument('--workers',type=int,default=2)
    t.add_argument('--threads',type=int)
    from shufflenet.train import Recipe
    for f in dataclasses.fields(Recipe):
        if f.name!='name':
            conv={'int':int,'float':float}.get(str(f.type if isinstance(f.type,str) else getattr(f.type,'__name__','')))
            if f.name=='train_px': conv=lambda s: tuple(int(x) for x in s.split(','))
            t.add_argument('--'+f.name.replace('_','-'),type=conv,dest='recipe_'+f.name)
    a=p.parse_args(argv)
    import torch
    if a.threads: torch.set_num_threads(a.threads)
    from shufflenet.train import find_recipe,Session,train
    from shufflenet.data import open_images,relabelled
    from shufflenet.labels import read_names,name_classes
    from shufflenet.models import create_model
    from shufflenet.spec import Card,Origin
    from shufflenet.zoo import preprocess_for
    r=find_recipe(a.recipe)
    r=dataclasses.replace(r,**{k[7:]:v for k,v in vars(a).items() if k.startswith('recipe_') and v is not None})
    tr=open_images(a.data); names=read_names(a.labels) if a.labels else {}
    va=relabelled(open_images(a.val),tr.classes,{c:i for i,c in enumerate(tr.classes)})
    torch.manual_seed(r.seed)
    net=create_model(a.model,num_classes=len(tr.classes),stem_stride=a.stem_stride)
    card=Card(name=a.out.name,network=net.spec,preprocess=preprocess_for(r.image_px),labels=name_classes(tr.classes,names),origin=Origin(data='Tiny-ImageNet-200, 100,000 images of 200 classes',licence='research',recipe=r.name))
    import time
    t0=time.time()
    def on(step,steps,loss):
        if step%50==0 or step<4: print(f'{time.time()-t0:.0f}s {step}/{steps} {loss:.3f}',flush=True)
    print(train(net,card,tr,va,r,Session(out=a.out,resume=a.resume,workers=a.workers,compiled=a.compile,on_step=on)))
if __name__=='__main__': main()
